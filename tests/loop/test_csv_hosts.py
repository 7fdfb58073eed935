"""Hosts of the bulk CSV: signed, expiring, and nothing else is served."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from scripted_server import scripted_server

from zooassist_loop.propose.hosts import HOSTS, csv_host
from zooassist_loop.propose.hosts.local import is_signed, sign
from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.settings import Settings

LOCAL = Settings("http://127.0.0.1:3735", "http://127.0.0.1:3735")


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "proposals.csv"
    path.write_text("extractor_key,subject_id,data\n", encoding="utf-8")
    return path


def test_the_local_host_serves_the_file_at_its_signed_address_only(csv):
    with csv_host("local", LOCAL)(csv) as url:
        assert requests.get(url, timeout=5).text == csv.read_text(encoding="utf-8")
        parts = urlsplit(url)
        assert parts.hostname == "127.0.0.1"
        for wrong in (
            url + "x",
            url.replace("expires=1", "expires=2"),
            f"{parts.scheme}://{parts.netloc}/proposals.csv?{parts.query}",
            f"{parts.scheme}://{parts.netloc}{parts.path}",
            f"{parts.scheme}://{parts.netloc}/",
        ):
            assert requests.get(wrong, timeout=5).status_code == 403, wrong
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_a_signature_expires():
    key, expires = b"k" * 32, 1_000
    target = f"/a.csv?expires={expires}&signature={sign(key, '/a.csv', expires)}"
    assert is_signed(key, target, now=999.0)
    assert not is_signed(key, target, now=1_001.0)
    assert not is_signed(b"x" * 32, target, now=999.0)
    assert not is_signed(key, "/a.csv?expires=٣&signature=0", now=999.0)


def test_a_proxy_in_front_gives_the_address(csv):
    with csv_host("local", Settings(), "https://me.example/z/")(csv) as url:
        assert url.startswith("https://me.example/z/")
        assert int(parse_qs(urlsplit(url).query)["expires"][0]) > time.time()


def test_caesar_elsewhere_cannot_fetch_from_loopback():
    with pytest.raises(BadInput, match=r"s3://bucket/prefix, or --csv-base-url"):
        csv_host("local", Settings())


@pytest.mark.parametrize("argument", ["ftp://x", "", "s3:/bucket", "s3://"])
def test_an_argument_that_names_no_host_is_refused_with_the_choices(argument):
    with pytest.raises(BadInput, match="--csv-host: expected"):
        csv_host(argument, Settings())


def test_s3_uploads_and_signs_and_removes(csv, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with scripted_server([(200, b"")]) as (endpoint, seen):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with csv_host("s3://bucket/some/prefix/", Settings())(csv) as url:
            assert seen == ["PUT"]
            parts = urlsplit(url)
            assert parts.path.startswith("/bucket/some/prefix/proposals-")
            assert parts.path.endswith(".csv")
            assert "Signature" in parts.query
            assert "secret" not in url
        assert seen == ["PUT", "DELETE"]


def test_s3_says_no(csv, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with scripted_server([(403, b"")]) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with (
            pytest.raises(Refused, match="check the bucket"),
            csv_host("s3://bucket", Settings())(csv),
        ):
            pass


def test_every_host_is_in_the_table():
    assert set(HOSTS) == {"local", "s3"}
