"""How does a command start without pandas, which it does not use? By telling pyarrow so.

pyarrow looks for pandas at the first array it is given, to know its objects from then on. Where
pandas is installed, importing it takes as long as counting tens of thousands of rows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

import pyarrow as pa


class _NoPandas:
    """A finder that says of pandas that it is not installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Look for a module; all but pandas are left to the other finders."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is hidden from pyarrow's first look", name=name)


def leave_pandas_out() -> None:
    """Let pyarrow look for pandas now, and not find it, unless it is there already.

    What needs pandas by name (`Table.to_pandas`) imports it as ever. For a process of our own
    alone: `pyarrow.array` takes a `pandas.Series` for any other sequence afterwards.
    """
    if "pandas" in sys.modules:
        return
    hiding = _NoPandas()
    sys.meta_path.insert(0, hiding)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(hiding)
