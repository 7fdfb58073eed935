"""kill -9 at random moments of `zooassist propose`, and again until it is done."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from prefill_model import model_folder
from prefill_project import Prefill, galaxy_png, prefill_project

from zooassist_loop.ledger import Ledger
from zooassist_plugin.enable import Wanted, enable
from zooassist_plugin.presenters.machine_learnt import canonical

SUBJECTS = 120
KILLS_WHILE_PREDICTING, KILLS_WHILE_PUBLISHING = 9, 3


def _launch(prefill: Prefill, model: Path, ledger: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PANOPTES_ENDPOINT": prefill.server.url,
        "PANOPTES_USERNAME": "builder",
        "PANOPTES_PASSWORD": "sandbox",
        "ZOOASSIST_LEDGER": f"sqlite:///{ledger}",
    }
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "zooassist_plugin.cli", "propose", str(prefill.workflow_id)),
            *("--subject-set", str(prefill.subject_set_id), "--model", str(model)),
            *("--batch", "2", "--read-back", "all", "--wait", "20"),
        ],
        env=environment,
        cwd=ledger.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _progress(ledger: Path) -> tuple[int, str]:
    """How many rows there are, and when the last ones were handed to Caesar."""
    if not ledger.exists():
        return 0, ""
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5)
    try:
        rows, submitted = connection.execute(
            "select count(*), coalesce(max(submitted_at), '') from proposals"
        ).fetchone()
    except sqlite3.OperationalError:  # the table is about to be made
        return 0, ""
    finally:
        connection.close()
    return rows, submitted


def _kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool], delay: float) -> bool:
    """Kill -9 a moment after a condition; returns False when the process ended by itself."""
    while process.poll() is None and not reached():
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_at_random_moments_the_union_is_complete_without_duplicates(tmp_path):
    seed = int(os.environ.get("ZOOASSIST_TEST_SEED") or time.time_ns() % 10**6)
    print(f"ZOOASSIST_TEST_SEED={seed}")
    rng = random.Random(seed)
    ledger = tmp_path / "ledger.sqlite"
    folder = model_folder(tmp_path / "model")
    images = [galaxy_png(each, size=24) for each in range(SUBJECTS)]
    with prefill_project(tmp_path / "sandbox", images) as prefill:
        # Without a host nothing is written for the test subject.
        wanted = Wanted(prefill.workflow_id, folder.card)
        assert enable(prefill.panoptes, prefill.caesar, wanted).passed
        kills = 0
        for _ in range(KILLS_WHILE_PREDICTING):
            rows = min(_progress(ledger)[0] + rng.randint(1, 14), SUBJECTS)
            process = _launch(prefill, folder.path, ledger)
            kills += _kill_when(
                process, lambda rows=rows: _progress(ledger)[0] >= rows, rng.uniform(0, 0.03)
            )
        assert kills == KILLS_WHILE_PREDICTING
        for _ in range(KILLS_WHILE_PUBLISHING):
            submitted = _progress(ledger)[1]
            process = _launch(prefill, folder.path, ledger)
            kills += _kill_when(
                process,
                lambda submitted=submitted: _progress(ledger)[1] != submitted,
                rng.uniform(0, 0.4),
            )
        assert kills >= 10
        last = _launch(prefill, folder.path, ledger)
        output, _ = last.communicate(timeout=60)
        assert last.returncode == 0, output.decode()
        _assert_complete(prefill, ledger)


def _assert_complete(prefill: Prefill, ledger: Path) -> None:
    with Ledger(f"sqlite:///{ledger}") as opened:
        entries = list(opened.entries(prefill.workflow_id))
    times = Counter(entry.subject_id for entry in entries)
    assert set(times) == set(prefill.subject_ids), "none is missed"
    assert set(times.values()) == {1}, "none is proposed twice"
    assert {entry.state for entry in entries} == {"presented"}
    for entry in entries:
        answer = prefill.caesar.visible_proposals(prefill.workflow_id, entry.subject_id)
        assert canonical(list(answer.payloads)) == canonical([entry.payload])
        path = f"/workflows/{prefill.workflow_id}/extractors/all/extracts"
        extracts = prefill.caesar.call("GET", f"{path}?subject_id={entry.subject_id}")
        assert len(extracts) == 1, "an import that is repeated makes no second extract"
