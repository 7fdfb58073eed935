from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("pandas")

COUNTING = """
import sys
import pyarrow as pa
from zooassist_exporters.leaving_pandas_out import leave_pandas_out
leave_pandas_out()
array = pa.array([1, 2])
assert "pandas" not in sys.modules
frame = pa.table({"x": array}).to_pandas()
import pandas
assert isinstance(frame, pandas.DataFrame) and frame["x"].tolist() == [1, 2]
assert pa.array(pandas.Series([1.5, 2.5])).to_pylist() == [1.5, 2.5]
"""

BEFORE = """
import pandas
import pyarrow as pa
from zooassist_exporters.leaving_pandas_out import leave_pandas_out
leave_pandas_out()
assert pa.array(pandas.Series([1.5, None])).null_count == 1
"""

COMMAND = """
import sys
from zooassist_exporters.command import export
export(["votes", sys.argv[1], "--out", sys.argv[2]], standalone_mode=False)
assert "pandas" not in sys.modules
"""


def run(code, *arguments):
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pandas_is_imported_where_it_is_asked_for_by_name_alone():
    run(COUNTING)


def test_pandas_that_is_there_already_stays_known():
    run(BEFORE)


def test_counting_votes_imports_no_pandas(tmp_path, exports, row, answer):
    file = exports.classifications(row(1, [answer("Yes")]), row(2, [answer("No")], user="bob"))
    run(COMMAND, str(file), str(tmp_path / "set"))
