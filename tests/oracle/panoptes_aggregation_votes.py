"""What does panoptes_aggregation 5.3.1 make of an export's questions and surveys?

Run by the Python of an environment that has it (`make oracle`), never by ours:

    .venv-oracle/bin/python tests/oracle/panoptes_aggregation_votes.py EXPORT.csv.gz OUT.json

It runs the extractors and reducers as its command line does and writes counts per subject; no
names of volunteers.
"""

import ast
import csv
import gzip
import io
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import pandas
from panoptes_aggregation.extractors.question_extractor import slugify_or_null
from panoptes_aggregation.scripts.extract_panoptes_csv import extract_csv
from panoptes_aggregation.scripts.reduce_panoptes_csv import reduce_csv

FAMILIES = {
    "question": "question_extractor",
    "survey": "survey_extractor",
    "dropdown": "dropdown_extractor",
}
FILTERS = ("first", "last", "all")


def is_question(annotation):
    value = annotation["value"]
    values = value if isinstance(value, list) else [value]
    is_text = list(annotation) == ["task", "value", "task_label"]
    return bool(values) and all(isinstance(each, str) for each in values) and not is_text


def is_survey(annotation):
    value = annotation["value"]
    return isinstance(value, list) and any(
        isinstance(each, dict) and "choice" in each for each in value
    )


def is_dropdown(annotation):
    value = annotation["value"]
    values = value if isinstance(value, list) else [value]
    return any(isinstance(each, dict) and "select_label" in each for each in values)


HOLDS = {"question": is_question, "survey": is_survey, "dropdown": is_dropdown}


def tasks_and_labels(rows):
    """Find the tasks of each family in each workflow, and every label that was given."""
    tasks, labels = {}, set()
    for row in rows:
        for annotation in json.loads(row["annotations"]):
            for family, holds in HOLDS.items():
                if holds(annotation):
                    found = tasks.setdefault(row["workflow_id"], {})
                    found.setdefault(family, set()).add(annotation["task"])
            value = annotation["value"]
            for each in value if isinstance(value, list) else [value]:
                labels |= {each} if isinstance(each, str) else set(labels_of_choice(each))
    return tasks, labels


def labels_of_choice(each):
    if isinstance(each, dict) and "choice" in each:
        yield each["choice"]
        for question, answer in each.get("answers", {}).items():
            yield question
            yield from answer if isinstance(answer, list) else [answer]


def run(path, workflow_id, tasks, folder):
    """Extract and reduce; return the reducers' tables by family."""
    config = {
        "workflow_id": int(workflow_id),
        "workflow_version": {"min": "0.0", "max": "99999.0"},
        "extractor_config": {
            FAMILIES[family]: [{"task": task} for task in sorted(names)]
            for family, names in tasks.items()
        },
    }
    extract_csv(path, stream(config), output_dir=folder, hide_progressbar=True)
    tables = {}
    for family in tasks:
        extracts = Path(folder) / f"{FAMILIES[family]}_extractions.csv"
        if family == "dropdown":
            tables[family] = [pandas.read_csv(extracts)]
            continue
        config = {"reducer_config": {f"{family}_reducer": {}}}
        tables[family] = [
            pandas.read_csv(
                reduce_csv(
                    str(extracts),
                    stream(config),
                    filter=name,
                    output_dir=folder,
                    hide_progressbar=True,
                )
            )
            for name in FILTERS
        ]
    return tables


def stream(config):
    return io.StringIO(json.dumps(config))


def counts(row, prefix):
    """Return what a reducer counted in the columns that start with `prefix`."""
    return {
        column[len(prefix) :]: int(value)
        for column, value in row.items()
        if column.startswith(prefix) and isinstance(value, int | float) and value == value
    }


def by_subject(family, table):
    found = {}
    for row in table.to_dict("records"):
        if family == "dropdown" and not isinstance(row["data.value"], str):
            continue
        subject = found.setdefault(row["task"], {}).setdefault(str(row["subject_id"]), {})
        if family == "question":
            subject.update(counts(row, "data."))
        elif family == "dropdown":
            for number, selected in enumerate(ast.literal_eval(row["data.value"])):
                for slug, count in selected.items():
                    place = subject.setdefault(str(number), {})
                    place[slug] = place.get(slug, 0) + count
        else:
            choice = subject.setdefault(str(row["data.choice"]), {})
            choice["count"] = int(row["data.choice_count"])
            choice["total"] = int(row["data.total_vote_count"])
            choice["answers"] = counts(row, "data.answers_")
    return {
        task: {subject: answers for subject, answers in subjects.items() if answers}
        for task, subjects in found.items()
    }


def main(source, out):
    csv.field_size_limit(2**31 - 1)
    opener = gzip.open if source.endswith(".gz") else open
    with opener(source, "rt", encoding="utf-8", newline="") as stream_of_text:
        text = stream_of_text.read()
    tasks, labels = tasks_and_labels(csv.DictReader(io.StringIO(text)))
    result = {
        "panoptes_aggregation": version("panoptes_aggregation"),
        "filter_matters": False,
        "slugs": {label: slugify_or_null(label) for label in sorted(labels)},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "classifications.csv"
        path.write_text(text, encoding="utf-8", newline="")
        for workflow, families in sorted(tasks.items()):
            tables = run(str(path), workflow, families, folder)
            for family, by_filter in tables.items():
                first, *others = (by_subject(family, table) for table in by_filter)
                result.setdefault(family, {})[workflow] = first
                result["filter_matters"] |= any(other != first for other in others)
    Path(out).write_text(json.dumps(result, indent=None, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
