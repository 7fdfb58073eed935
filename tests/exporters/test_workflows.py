import pytest

from zooassist_exporters.workflows import Version, WorkflowExport
from zooassist_plugin.errors import BadInput

TASKS = {
    "T0": {
        "type": "drawing",
        "instruction": "T0.instruction",
        "tools": [
            {
                "type": "ellipse",
                "label": "T0.tools.0.label",
                "details": [
                    {
                        "type": "single",
                        "question": "T0.tools.0.details.0.question",
                        "answers": [
                            {"label": "T0.tools.0.details.0.answers.0.label"},
                            {"label": "T0.tools.0.details.0.answers.1.label"},
                        ],
                    }
                ],
            }
        ],
    }
}
STRINGS = {
    "T0.instruction": "Outline the galaxy",
    "T0.tools.0.label": "Galaxy",
    "T0.tools.0.details.0.question": "Is it smooth?",
    "T0.tools.0.details.0.answers.0.label": "Smooth",
    "T0.tools.0.details.0.answers.1.label": "Features",
}


def test_versions_are_numbers_of_two_parts(exports, version):
    rows = [version(TASKS, STRINGS, (7, minor)) for minor in (9, 10, 2)]
    versions = WorkflowExport(exports.workflows(*rows)).versions(5)
    assert versions.newest.version == Version(7, 10)
    assert versions.exact("7.1") is None
    assert str(versions.exact("7.10").version) == "7.10"
    assert versions.nearest("7.3").version == Version(7, 9), "the first later one, as Panoptes does"
    assert versions.nearest("9.1").version == Version(7, 10)
    assert versions.nearest("").version == Version(7, 10)


def test_texts_and_types_of_subtasks(exports, version):
    newest = WorkflowExport(exports.workflows(version(TASKS, STRINGS))).versions(5).newest
    assert newest.types() == {"T0": "drawing", "T0.0.0": "single"}
    assert newest.labels("T0.0.0") == ["Smooth", "Features"]
    assert newest.text("T0.0.0") == "Is it smooth?"
    assert (newest.labels("T9"), newest.text("T9")) == ([], "")


def test_one_workflow_of_several(exports, version):
    broken = version(TASKS, STRINGS, number=6) | {"tasks": ""}
    export = WorkflowExport(exports.workflows(version(TASKS, STRINGS), broken))
    assert export.versions(5).newest.workflow_id == 5, "whatever is wrong with another workflow"
    with pytest.raises(BadInput) as caught:
        export.versions(9)
    assert str(caught.value) == (
        "workflows.csv: expected workflow 9, found workflows: 5, 6; "
        "give the export of the right project"
    )


@pytest.mark.parametrize(
    "change", [{"tasks": "{"}, {"version": "new"}, {"strings": "{}"}, {"tasks": "[]"}]
)
def test_a_row_that_is_no_workflow(exports, version, change):
    path = exports.workflows(version(TASKS, STRINGS) | change)
    with pytest.raises(BadInput, match=r"workflows\.csv: row 2: expected numbers and JSON"):
        WorkflowExport(path).versions(5)


def test_a_classification_export_is_no_workflow_export(exports, row):
    with pytest.raises(BadInput, match="columns 'version', 'minor_version', 'first_task'"):
        WorkflowExport(exports.classifications(row(1, [])))


def test_real_workflow_export(real_export):
    versions = WorkflowExport(real_export("superluminous-supernovae-workflows.csv.gz")).versions(10)
    assert versions.exact("16.55").labels("T0") == ["Yes", "No"]
    assert versions.newest.text("T1").startswith("Is the cross-hair in the image close to")
