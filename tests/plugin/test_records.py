import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.records import Classification, Extract, Location, Reduction, Subject


def test_a_subject_is_read_from_panoptes_json():
    subject = Subject.from_json(
        {
            "id": "5678",
            "locations": [{"image/png": "https://a/1.png"}, {"image/jpeg": "https://a/2.jpg"}],
            "metadata": {"#ml_arm": "control"},
        }
    )
    assert subject == Subject(
        5678,
        (Location("image/png", "https://a/1.png"), Location("image/jpeg", "https://a/2.jpg")),
        {"#ml_arm": "control"},
    )


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"id": None}, "subject: expected an id"),
        ({"id": "12a"}, "subject: expected an id"),
        ({"id": "0"}, "positive"),
        ({"id": True}, "expected an id"),
        ({"id": "7", "locations": ["https://a/1.png"]}, "subject 7, location 0"),
        ({"id": "7", "metadata": ["x"]}, "subject 7: expected metadata"),
    ],
)
def test_a_bad_subject_is_named(resource, words):
    with pytest.raises(BadInput, match=words):
        Subject.from_json(resource)


def test_ids_are_integers_in_records():
    with pytest.raises(BadInput, match=r"Subject\.subject_id: expected an integer"):
        Subject("5678")
    with pytest.raises(BadInput, match=r"Extract.workflow_id"):
        Extract("1", 2, "machineLearnt", {})
    with pytest.raises(BadInput, match=r"Reduction.subject_id"):
        Reduction(1, "2", "machineLearnt", {})


def test_a_workflow_version_is_text():
    with pytest.raises(BadInput, match="expected the workflow version as text"):
        Classification(1, 2, 7.1, 3, None, "x", None, ())
