"""Against moto's S3 server, over HTTP: it enforces conditional writes."""

from __future__ import annotations

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from zooassist_plugin.errors import BadInput, Refused
from zooassist_serving.repository import changes
from zooassist_serving.repository.opening import open_repository
from zooassist_serving.repository.release import activated
from zooassist_serving.repository.s3_store import S3Place, S3Store
from zooassist_serving.repository.store import ChangedMeanwhile

boto3 = pytest.importorskip("boto3", reason="S3 needs zooassist[aws]")
moto_server = pytest.importorskip("moto.server", reason="the S3 server of these tests is moto's")


@pytest.fixture(scope="module")
def endpoint():
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def environment(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def client(environment, endpoint):
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="models")
    yield client
    for each in client.list_objects_v2(Bucket="models").get("Contents", ()):
        client.delete_object(Bucket="models", Key=each["Key"])
    client.delete_bucket(Bucket="models")


@pytest.fixture
def store(client, tmp_path, versions):
    made = open_repository("s3://models/zoo", cache=tmp_path / "cache")
    for folder in versions[:2]:
        assert made.add(folder)
    return made


def of(folder):
    return folder.card.version


def test_versions_come_from_the_bucket_verified(store, versions, tmp_path):
    assert store.names() == ("tiny",)
    assert store.versions("tiny") == tuple(sorted(map(of, versions[:2])))
    assert not store.add(versions[0])
    fetched = store.folder("tiny", of(versions[0]))
    assert fetched.path == tmp_path / "cache" / "tiny" / of(versions[0])
    assert fetched.onnx_path.read_bytes() == versions[0].onnx_path.read_bytes()
    left = [path.name for path in (tmp_path / "cache" / "tiny").iterdir()]
    assert left == [of(versions[0])]


def test_a_damaged_copy_is_fetched_again(store, versions):
    fetched = store.folder("tiny", of(versions[0]))
    fetched.onnx_path.write_bytes(b"lost")
    again = store.folder("tiny", of(versions[0]))
    assert again.onnx_path.read_bytes() == versions[0].onnx_path.read_bytes()


def test_what_is_damaged_in_the_bucket_never_reaches_the_cache(store, versions, client, tmp_path):
    key = f"zoo/tiny/{of(versions[0])}/model.onnx"
    client.put_object(Bucket="models", Key=key, Body=b"other bytes")
    with pytest.raises(BadInput, match="expected sha256"):
        store.folder("tiny", of(versions[0]))
    assert not (tmp_path / "cache" / "tiny" / of(versions[0])).exists()


@pytest.mark.parametrize("file", ["weights.pkl", "model.pt", "ops.so"])
def test_code_is_not_even_fetched(store, versions, client, tmp_path, file):
    client.put_object(Bucket="models", Key=f"zoo/tiny/{of(versions[0])}/{file}", Body=b"x")
    with pytest.raises(BadInput, match="does not belong in a model folder"):
        store.folder("tiny", of(versions[0]))
    assert not (tmp_path / "cache" / "tiny").exists()


def test_keys_that_lead_elsewhere_are_no_files(store, versions, client, tmp_path):
    for key in ("../../../evil", "a/b", ".hidden", "..", "sub/"):
        client.put_object(Bucket="models", Key=f"zoo/tiny/{of(versions[0])}/{key}", Body=b"x")
    fetched = store.folder("tiny", of(versions[0]))
    assert sorted(p.name for p in fetched.path.iterdir()) == ["model.json", "model.onnx"]
    assert not list(tmp_path.rglob("evil"))


def test_a_version_without_its_card_is_not_there_yet(store, versions, client):
    client.delete_object(Bucket="models", Key=f"zoo/tiny/{of(versions[0])}/model.json")
    assert store.versions("tiny") == (of(versions[1]),)
    with pytest.raises(BadInput, match=r"found no model\.json"):
        store.folder("tiny", of(versions[0]))


def test_activate_and_roll_back(store, versions):
    changes.activate(store, "tiny", of(versions[0]))
    changes.activate(store, "tiny", of(versions[1]))
    assert changes.roll_back(store, "tiny").active == of(versions[0])
    assert store.read("tiny").release.history == ()


def test_of_two_writes_from_one_release_one_is_refused(store, versions):
    first = activated(None, of(versions[0]))
    store.replace("tiny", first, "")
    with pytest.raises(ChangedMeanwhile):
        store.replace("tiny", first, "")
    seen = store.read("tiny")
    store.replace("tiny", activated(first, of(versions[1])), seen.stamp)
    with pytest.raises(ChangedMeanwhile):
        store.replace("tiny", first, seen.stamp)


def test_many_activations_at_a_time(store, versions):
    changes.activate(store, "tiny", of(versions[0]))
    store.folder("tiny", of(versions[1]))
    order = [of(versions[i % 2]) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda version: changes.activate(store, "tiny", version), order))
    release = store.read("tiny").release
    steps = (*release.history, release.active)
    assert all(a != b for a, b in itertools.pairwise(steps))


def test_a_bucket_that_is_not_there(environment, tmp_path):
    store = open_repository("s3://no-such-bucket/zoo", cache=tmp_path)
    with pytest.raises(Refused, match="check the bucket's name"):
        store.names()
    with pytest.raises(Refused, match="NoSuchBucket"):
        store.read("tiny")


def test_a_server_that_does_not_answer(environment, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = open_repository("s3://models/zoo", cache=tmp_path)
    with pytest.raises(Refused, match="did not answer"):
        store.read("tiny")


def test_a_release_that_is_none(store, client):
    client.put_object(Bucket="models", Key="zoo/tiny/release.json", Body=b"{")
    with pytest.raises(BadInput, match="activate a version again"):
        store.read("tiny")


def test_the_whole_bucket_may_be_the_repository(client, versions, tmp_path):
    store = S3Store(S3Place.parse("s3://models"), tmp_path / "cache", client)
    store.add(versions[0])
    assert store.names() == ("tiny",)
    assert store.folder("tiny", of(versions[0])).card == versions[0].card
    shutil.rmtree(tmp_path / "cache")


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://b/../c", "s3://b/./c"])
def test_what_is_no_place(url, tmp_path):
    with pytest.raises(BadInput, match="expected s3://bucket"):
        open_repository(url, cache=tmp_path)


def test_what_is_no_repository(tmp_path):
    with pytest.raises(BadInput, match="expected a folder or s3"):
        open_repository("https://example.org/models")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="found a file"):
        open_repository(str(tmp_path / "file"))
