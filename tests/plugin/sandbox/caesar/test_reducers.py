"""How reducers are set up."""

from __future__ import annotations

import pytest


def test_create_list_show_update_delete(lab):
    workflow_id = lab.add_workflow()
    part = {
        "type": "first_extract",
        "key": "machineLearnt",
        "topic": "reduce_by_subject",
        "filters": {"extractor_keys": ["machineLearnt"], "from": "", "to": None},
    }
    answer = lab.post(f"/workflows/{workflow_id}/reducers", {"reducer": part})
    assert answer.status_code == 200
    row = answer.get_json()
    assert row["filters"] == {"extractor_keys": ["machineLearnt"]}
    assert (row["topic"], row["reduction_mode"]) == ("reduce_by_subject", "default_reduction")
    path = f"/workflows/{workflow_id}/reducers/{row['id']}"
    assert lab.get(f"/workflows/{workflow_id}/reducers").get_json() == [row]
    changed = {"reducer": {"filters": {"extractor_keys": "other"}, "key": "other"}}
    answer = lab.put(path, changed)
    assert (answer.status_code, answer.data) == (204, b"")
    assert lab.get(path).get_json()["filters"] == {"extractor_keys": ["other"]}
    assert lab.delete(path).status_code == 204
    assert lab.get(path).status_code == 404


@pytest.mark.parametrize("written", [["a", "b"], '["a", "b"]', "['a', 'b']"])
def test_extractor_keys_may_be_a_list_in_a_text(lab, written):
    workflow_id = lab.add_workflow()
    row = lab.make(
        workflow_id, "reducer", type="count", key="c", filters={"extractor_keys": written}
    )
    assert row["filters"] == {"extractor_keys": ["a", "b"]}


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "magic", "key": "m"}, "Unknown type magic"),
        ({"type": "sqs", "key": "s"}, "The sandbox has no sqs reducer"),
        ({"type": "rectangle", "key": "r"}, "The sandbox has no rectangle reducer"),
        ({"type": "count"}, "Key can't be blank"),
        ({"type": "count", "key": "taken"}, "Key has already been taken"),
        ({"type": "count", "key": "c", "topic": "reduce_by_moon"}, "topic must be one of"),
        ({"type": "count", "key": "c", "reduction_mode": "slow"}, "reduction_mode must be"),
        ({"type": "external", "key": "e", "url": "http://example.org"}, "URL must be one of"),
        ({"type": "external", "key": "e", "url": "https:///x"}, "URL must be one of"),
        ({"type": "unique_count", "key": "u"}, "field must name"),
        ({"type": "summary_stats", "key": "s", "operations": ["mean"]}, "summarize_field"),
        ({"type": "summary_stats", "key": "s", "summarize_field": "x"}, "at least one"),
        (
            {"type": "summary_stats", "key": "s", "summarize_field": "x", "operations": ["mad"]},
            "operations must be one of",
        ),
        ({"type": "count", "key": "c", "filters": "all"}, "filters must be an object"),
        (
            {"type": "count", "key": "c", "filters": {"repeated_classifications": "no"}},
            "filters.repeated_classifications must be one of",
        ),
        ({"type": "count", "key": "c", "filters": {"from": "x"}}, "whole number"),
        ({"type": "count", "key": "c", "grouping": {"field_name": "x"}}, "`extractor.field`"),
        ({"type": "count", "key": "c", "user_reducer_keys": ["k"]}, "no relevant reductions"),
    ],
)
def test_wrong_reducers_are_422(lab, part, message):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "reducer", type="count", key="taken")
    answer = lab.post(f"/workflows/{workflow_id}/reducers", {"reducer": part})
    assert answer.status_code == 422
    assert message in answer.get_json()["errors"][0]["message"]


def test_the_same_key_is_free_in_another_workflow(lab):
    for _ in range(2):
        lab.make(lab.add_workflow(), "reducer", type="count", key="c")


def test_a_reducer_of_another_workflow_is_404(lab):
    first = lab.add_workflow()
    row = lab.make(first, "reducer", type="count", key="c")
    second = lab.add_workflow()
    assert lab.get(f"/workflows/{second}/reducers/{row['id']}").status_code == 404
