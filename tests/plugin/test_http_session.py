"""Timeouts, retries and refusals, against a server that misbehaves on purpose."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests
import urllib3
from scripted_server import scripted_server

from zooassist_plugin.http_session import (
    LONGEST_WAIT,
    PlatformRefused,
    add_timeouts,
    no_answer,
    refusal,
)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield add_timeouts(session, timeout=(0.5, 0.2), tries=3, backoff=0.0)


def test_get_is_repeated_after_a_server_error(session):
    with scripted_server([(503, b""), (502, b""), (200, b"{}")]) as (url, seen):
        assert session.get(url).status_code == 200
    assert seen == ["GET", "GET", "GET"]


def test_get_is_repeated_after_too_many_requests(session):
    with scripted_server([(429, b""), (200, b"{}")]) as (url, seen):
        assert session.get(url).status_code == 200
    assert seen == ["GET", "GET"]


@pytest.mark.parametrize(("asked", "waited"), [("7", 7), ("3600", LONGEST_WAIT), (None, None)])
def test_a_server_may_say_when_to_come_back_within_bounds(session, asked, waited):
    answer = urllib3.HTTPResponse(headers={} if asked is None else {"Retry-After": asked})
    retry = session.get_adapter("https://example.org").max_retries
    assert retry.get_retry_after(answer) == waited
    assert retry.respect_retry_after_header


def test_the_last_error_answer_is_returned_not_raised(session):
    with scripted_server([(503, b"")]) as (url, seen):
        assert session.get(url).status_code == 503
    assert len(seen) == 3


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_writes_are_never_repeated(session, method):
    with scripted_server([(503, b"")]) as (url, seen):
        assert session.request(method, url, json={}).status_code == 503
    assert seen == [method]


def test_a_silent_server_is_given_up(session):
    with scripted_server([(0, b"")]) as (url, _):
        start = time.monotonic()
        with pytest.raises(requests.Timeout):
            session.post(url, json={})
        assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b"", "check PANOPTES_USERNAME"),
        (404, b'{"errors": [{"message": "no workflow"}]}', "404 to GET /x (no workflow); it does"),
        (422, b'{"error": "Key is taken"}', "(Key is taken); the other side found"),
        (503, b"<html>", "503 to GET /x; the other side has trouble"),
        (418, b"[]", "418 to GET /x; see its message"),
    ],
)
def test_a_refusal_says_who_what_and_what_to_do(session, status, body, expected):
    with scripted_server([(status, body)]) as (url, _):
        error = refusal("Panoptes", session.get(url), "GET /x")
    assert isinstance(error, PlatformRefused)
    assert error.status == status
    assert error.exit_code == 3
    assert expected in str(error)


def test_no_answer_tells_a_timeout_from_a_broken_connection():
    assert "in time" in str(no_answer("Caesar", requests.ReadTimeout(), "GET /x"))
    assert "(ConnectionError)" in str(no_answer("Caesar", requests.ConnectionError(), "GET /x"))


def test_waiting_is_told_once_and_only_when_the_other_side_is_silent(session, caplog):
    with scripted_server([(0, b"")]) as (url, seen), pytest.raises(requests.ConnectionError):
        session.get(url)
    assert len(seen) == 3
    told = [each.message for each in caplog.records if each.name.startswith("zooassist")]
    assert told == ["127.0.0.1 does not answer in time; asking up to 2 more times"]
    caplog.clear()
    with scripted_server([(503, b"")]) as (url, _):
        session.get(url)
    with pytest.raises(requests.ConnectionError):
        session.get("http://127.0.0.1:1")
    assert [each for each in caplog.records if each.name.startswith("zooassist")] == []
