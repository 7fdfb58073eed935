import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.jobs import Distinct, Job, Plan, check_shard_rows, planned
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.shard_rows import ShardRow, digest_of_rows, read_rows, write_rows

ROWS = [
    ShardRow("s3://survey/a b.png", subject_id=3, etag="e"),
    ShardRow("s3://survey/z.zip", member="x/1.png"),
    ShardRow("s3://survey/s.tif", frame=4, paged=True),
    ShardRow("", error="empty cell"),
]


def job(key="in/a.csv", etag="e", version="", model="v1", bucket="survey"):
    seen = Seen(Place(bucket, key), etag=etag, version=version)
    return Job(seen, "tiny", model, Place("out", "p/"))


def test_rows_survive_the_store():
    assert read_rows(write_rows(ROWS)) == ROWS
    with pytest.raises(BadInput, match="damaged"):
        read_rows(b'{"place": 1, "nonsense": 2}')


def test_the_key_of_a_job_is_object_state_and_model():
    base = job()
    assert base.key == job().key
    others = [
        job(key="in/b.csv"),
        job(etag="f"),
        job(version="v"),
        job(model="v2"),
        job(bucket="other"),
    ]
    assert len({each.key for each in [base, *others]}) == 6
    assert job(version="v", etag="e").key == job(version="v", etag="g").key, "the version decides"


def test_folders_have_names_that_people_and_stores_can_read():
    assert job(key="in/Nächte + Tage?.csv").folder.key.startswith("p/N-chte-Tage-.csv-")
    assert job(key="in/../").folder.key.startswith("p/job-")


def test_two_planners_write_the_same_plan():
    shards = (planned(ROWS[:2]), planned(ROWS[2:]))
    plan = Plan(job(), shards, duplicates=1)
    again = Plan.from_bytes(plan.to_bytes(), job())
    assert again == plan
    assert again.parts == plan.parts
    assert len(set(plan.parts)) == 2
    assert again.rows == 4


def test_a_plan_of_another_job_is_refused():
    plan = Plan(job(), (planned(ROWS),))
    with pytest.raises(BadInput, match="expected the plan"):
        Plan.from_bytes(plan.to_bytes(), job(etag="other"))
    with pytest.raises(BadInput, match="expected the plan"):
        Plan.from_bytes(b"{", job())


def test_repeated_rows_pass_once():
    distinct = Distinct()
    twice = [*ROWS, ROWS[0], ShardRow("s3://survey/a b.png", subject_id=4)]
    passed = list(distinct.rows(twice))
    assert passed == [*ROWS, twice[-1]], "the same picture of another subject is another row"
    assert distinct.duplicates == 1


def test_digests_tell_rows_apart():
    assert digest_of_rows(ROWS) != digest_of_rows(ROWS[::-1])


@pytest.mark.parametrize("rows", [0, 5001])
def test_sizes_of_shards(rows):
    with pytest.raises(BadInput, match="rows per shard"):
        check_shard_rows(rows)
    assert check_shard_rows(500) == 500
