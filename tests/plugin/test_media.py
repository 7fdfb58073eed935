"""Downloads are bounded and explained; uploads are looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from scripted_server import scripted_server

from zooassist_plugin.errors import ItemFailed
from zooassist_plugin.http_session import add_timeouts
from zooassist_plugin.media import check_stored, download, media_session, put_signed


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield add_timeouts(session, timeout=(0.5, 0.5), tries=2, backoff=0.0)


def test_download_returns_the_bytes(session):
    with scripted_server([(200, b"picture")]) as (url, _):
        assert download(session, f"{url}/g.png") == b"picture"


@pytest.mark.parametrize("status", [403, 404, 500])
def test_download_names_the_address_and_the_status(session, status):
    with scripted_server([(status, b"")]) as (url, _):
        with pytest.raises(ItemFailed, match=f"got status {status}") as caught:
            download(session, f"{url}/g.png")
        assert caught.value.item == f"{url}/g.png"


def test_download_stops_at_the_limit(session):
    with (
        scripted_server([(200, b"x" * 1000)]) as (url, _),
        pytest.raises(ItemFailed, match="at most 999 bytes"),
    ):
        download(session, url, limit=999)


def test_download_stops_when_its_time_is_over(session):
    with (
        scripted_server([(200, b"x" * 1000)]) as (url, _),
        pytest.raises(ItemFailed, match="expected the file within 0 s, got 1,000 bytes"),
    ):
        download(session, url, seconds=0.0)


def test_a_silent_address_is_given_up_after_two_short_tries():
    with media_session() as session:
        adapter = session.get_adapter("https://x")
        longest = sum(adapter._timeout) * (adapter.max_retries.total + 1)
    assert longest <= 40
    with scripted_server([(0, b"")]) as (url, seen), requests.Session() as session:
        add_timeouts(session, timeout=(0.1, 0.1), tries=2, backoff=0.0)
        with pytest.raises(ItemFailed, match="got no answer"):
            download(session, url)
    assert len(seen) == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/g.png", "ftp://x/g.png", "not a url"])
def test_unreachable_media_is_one_failed_item(session, url):
    with pytest.raises(ItemFailed, match="got no answer"):
        download(session, url)


def test_put_accepts_what_stores_answer(session):
    with scripted_server([(201, b"")]) as (url, seen):
        put_signed(session, url, b"picture", "image/png")
    assert seen == ["PUT"]


def test_put_refused_does_not_print_the_signature(session):
    with (
        scripted_server([(403, b"")]) as (url, _),
        pytest.raises(ItemFailed, match="got status 403") as caught,
    ):
        put_signed(session, f"{url}/g.png?signature=secret", b"picture", "image/png")
    assert "secret" not in str(caught.value)


def test_check_stored_sees_a_short_and_a_missing_file(session):
    with scripted_server([(200, b"picture")]) as (url, _):
        check_stored(session, url, 7)
        with pytest.raises(ItemFailed, match="expected 8 bytes, got status 200 and 7 bytes"):
            check_stored(session, url, 8)
    with (
        scripted_server([(404, b"")]) as (url, _),
        pytest.raises(ItemFailed, match="got status 404"),
    ):
        check_stored(session, url, 7)
