from __future__ import annotations

import pytest

from zooassist_serving.http.answers import JobBody, JobList, JobResults
from zooassist_serving.http.app import create_app
from zooassist_serving.http.media import MediaFetcher
from zooassist_serving.jobs.store import JobStore
from zooassist_serving.jobs.worker import Jobs


@pytest.fixture
def jobs(plane, media, tmp_path):
    store = JobStore(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield Jobs(store, plane, MediaFetcher([media], 100_000).fetch_later)
    store.close()


@pytest.fixture
def client(plane, media, jobs):
    return create_app(plane, token=None, media_origins=[media], jobs=jobs).test_client()


def asked(media, count: int = 3, **changes):
    subjects = [
        {"id": str(i), "locations": [{"image/png": f"{media}/{i}-a.png"}]}
        for i in range(1, count + 1)
    ]
    return {"model": "tiny", "subjects": subjects} | changes


def test_from_asking_to_results(client, jobs, media, tiny_folder):
    answer = client.post("/v1/jobs", json=asked(media))
    assert answer.status_code == 202
    body = JobBody.model_validate(answer.get_json())
    assert (body.state, body.total, body.done) == ("queued", 3, 0)
    assert body.model_version == tiny_folder.card.version
    place = answer.headers["Location"]
    early = client.get(f"{place}/results").get_json()
    assert (early["next"], early["predictions"]) == (0, [])
    assert jobs.run_one()
    body = JobBody.model_validate(client.get(place).get_json())
    assert (body.state, body.done) == ("done", 3)
    first = JobResults.model_validate(client.get(f"{place}/results?count=2").get_json())
    assert (first.start, first.next, len(first.predictions)) == (0, 2, 2)
    rest = JobResults.model_validate(client.get(f"{place}/results?start=2").get_json())
    assert (rest.next, [row.subject_id for row in rest.predictions]) == (None, [3])
    lines = client.get(f"{place}/results", headers={"Accept": "application/x-ndjson"})
    assert len(lines.get_data().splitlines()) == 3
    listed = JobList.model_validate(client.get("/v1/jobs").get_json())
    assert [job.id for job in listed.jobs] == [body.id]


def test_the_same_key_is_the_same_job(client, media):
    headers = {"Idempotency-Key": "night-1"}
    first, second = (client.post("/v1/jobs", json=asked(media), headers=headers) for _ in range(2))
    assert first.get_json()["id"] == second.get_json()["id"]
    assert len(client.get("/v1/jobs").get_json()["jobs"]) == 1


def test_cancelling(client, jobs, media):
    place = client.post("/v1/jobs", json=asked(media)).headers["Location"]
    assert client.delete(place).get_json()["state"] == "cancelled"
    assert not jobs.run_one()
    assert client.get(f"{place}/results").get_json()["next"] is None


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"model": "other"}, 404, "expected one of tiny"),
        ({"model": ".."}, 404, "expected one of tiny"),
        ({"subjects": []}, 422, "subjects"),
        ({"unknown": 1}, 422, "unknown"),
        ({"subjects": [{"id": 1, "locations": [{"a": "file:///etc/passwd"}]}]}, 422, "http(s) URL"),
        ({"subjects": [{"id": 1, "locations": [{"a": "http://10.0.0.1/"}]}]}, 403, "not fetch"),
    ],
)
def test_what_is_refused(client, media, changes, status, words, check_problem):
    check_problem(client.post("/v1/jobs", json=asked(media, **changes)), status, words)
    assert client.get("/v1/jobs").get_json() == {"jobs": []}


def test_no_such_job(client, check_problem):
    for path in ("/v1/jobs/x", "/v1/jobs/x/results"):
        check_problem(client.get(path), 404, "no job 'x'")
    check_problem(client.delete("/v1/jobs/x"), 404, "no job 'x'")


@pytest.mark.parametrize("query", ["start=-1", "start=x", "count=0", "count=1001", "start=٣"])
def test_pages_that_are_none(client, media, query, check_problem):
    place = client.post("/v1/jobs", json=asked(media)).headers["Location"]
    check_problem(client.get(f"{place}/results?{query}"), 422, "expected a number from")


def test_keys_that_are_none(client, media, check_problem):
    answer = client.post("/v1/jobs", json=asked(media), headers={"Idempotency-Key": "a b"})
    check_problem(answer, 422, "Idempotency-Key")


def test_a_server_without_a_ledger_says_so(plane, media, check_problem):
    client = create_app(plane, token=None, media_origins=[media]).test_client()
    check_problem(client.post("/v1/jobs", json=asked(media)), 501, "--ledger")
    check_problem(client.get("/v1/jobs"), 501, "--ledger")
