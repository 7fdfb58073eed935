import csv
import gzip
import io
import json
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "../shared/data"

COLUMNS = [
    "classification_id",
    "user_name",
    "user_id",
    "user_ip",
    "workflow_id",
    "workflow_name",
    "workflow_version",
    "created_at",
    "gold_standard",
    "expert",
    "metadata",
    "annotations",
    "subject_data",
    "subject_ids",
]
WORKFLOW_COLUMNS = ["workflow_id", "version", "minor_version", "first_task", "tasks", "strings"]


def as_csv(columns, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return text.getvalue()


def classification(number, marks, *, subject=7, user="ada", minute=None, **changes):
    """One row of an export: self-written, in the columns and formats of Panoptes."""
    minute = number if minute is None else minute
    row = {
        "classification_id": number,
        "user_name": user,
        "user_id": {"ada": 11, "bob": 12, "cyd": 13}.get(user, ""),
        "user_ip": "0123456789abcdef0123",
        "workflow_id": 5,
        "workflow_name": "Rings",
        "workflow_version": "2.1",
        "created_at": f"2026-06-01 {10 + minute // 60:02d}:{minute % 60:02d}:00 UTC",
        "metadata": {"live_project": True, "classifier_version": "2.0"},
        "annotations": marks,
        "subject_data": {str(subject): {"retired": None, "name": f"galaxy {subject}"}},
        "subject_ids": subject,
    } | changes
    return {
        key: json.dumps(value) if isinstance(value, dict | list) else value
        for key, value in row.items()
    }


def single(value, task="T0", label="Is there a ring?"):
    return {"task": task, "task_label": label, "value": value}


def workflow(tasks, strings, version=(2, 1), first_task="T0", number=5):
    return {
        "workflow_id": number,
        "version": version[0],
        "minor_version": version[1],
        "first_task": first_task,
        "tasks": json.dumps(tasks),
        "strings": json.dumps(strings),
    }


class Exports:
    """Writes exports into a folder."""

    def __init__(self, folder):
        self.folder = folder

    def classifications(self, *rows, name="classifications.csv", columns=COLUMNS):
        path = self.folder / name
        path.write_text(as_csv(columns, rows), encoding="utf-8")
        return path

    def workflows(self, *rows, name="workflows.csv"):
        path = self.folder / name
        path.write_text(as_csv(WORKFLOW_COLUMNS, rows), encoding="utf-8")
        return path


@pytest.fixture
def exports(tmp_path):
    return Exports(tmp_path)


@pytest.fixture
def row():
    return classification


@pytest.fixture
def answer():
    return single


@pytest.fixture
def version():
    return workflow


@pytest.fixture
def real_export():
    """Return the path of a real export; skip where the data are not installed."""

    def find(name):
        path = SHARED / "exports" / name
        if not path.is_file():
            pytest.skip(f"real export {name} is not in ../shared/data/exports")
        return path

    return find


@pytest.fixture
def real_rows(real_export):
    """Read a real export with the csv module alone, as an independent check."""

    def read(name):
        csv.field_size_limit(2**31 - 1)
        with gzip.open(real_export(name), "rt", encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    return read


@pytest.fixture
def galaxies():
    folder = SHARED / "galaxies"
    if not (folder / "votes.csv").is_file():
        pytest.skip("the galaxies are not in ../shared/data/galaxies")
    return folder
