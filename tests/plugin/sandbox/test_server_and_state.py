from __future__ import annotations

import json
import logging
import socket

import pytest
import requests
from panoptes_api import FIRST_PARTY, Api, Clock, png, token
from panoptes_client import Panoptes

from zooassist_plugin.errors import BadInput
from zooassist_plugin.sandbox.server import running_sandbox

BLOB = {"x-ms-blob-type": "BlockBlob"}


def test_everything_survives_a_restart(state):
    clock = Clock()
    with running_sandbox(state, clock=clock) as first:
        builder = Api(first.url, token(first.url, "builder"))
        login = {"login": "builder", "password": "sandbox"}
        form = {"grant_type": "password", "client_id": FIRST_PARTY} | login
        refresh = requests.post(f"{first.url}/oauth/token", data=form, timeout=20).json()
        project = builder.project()
        workflow = builder.workflow(project)
        subject_set = builder.subject_set(project)
        numbers = builder.subjects(project, 2, subject_set)
        links = {"subject_sets": [subject_set["id"]]}
        builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
        upload = builder.made("subjects", locations=["image/png"], links={"project": project["id"]})
        address = upload["locations"][0]["image/png"]
        assert requests.put(address, data=png(), headers=BLOB, timeout=20).status_code == 201
        builder.classify(workflow, numbers[0])
        etag = builder.get(f"/workflows/{workflow['id']}").headers["ETag"]
        first.sandbox.jobs.stop()
        body = {"subject_ids": [numbers[1]], "retirement_reason": "human"}
        builder.post(f"/workflows/{workflow['id']}/retired_subjects", body)
        builder.session.close()
    with running_sandbox(state, clock=clock) as second:
        assert second.url != first.url
        builder = Api(second.url, builder.token)  # the token of the first run
        assert builder.one("/projects", slug="builder/galaxies")["id"] == project["id"]
        assert builder.get(f"/workflows/{workflow['id']}").headers["ETag"] == etag
        second.sandbox.jobs.drain()  # the job of the first run
        status = builder.one("/subject_workflow_statuses", subject_id=numbers[1])
        assert status["retirement_reason"] == "human"
        status = builder.one("/subject_workflow_statuses", subject_id=numbers[0])
        assert status["classifications_count"] == 1
        url = builder.one(f"/subjects/{upload['id']}")["locations"][0]["image/png"]
        assert url.startswith(second.url)
        assert requests.get(url, timeout=20).content == png()
        form = {
            "grant_type": "refresh_token",
            "client_id": FIRST_PARTY,
            "refresh_token": refresh["refresh_token"],
        }
        again = requests.post(f"{second.url}/oauth/token", data=form, timeout=20)
        assert again.status_code == 200
        builder.session.close()


def test_behind_a_tls_proxy_urls_carry_its_address(state):
    public = "https://sandbox.example.org"
    with running_sandbox(state, public_url=f"{public}/") as server:
        builder = Api(server.url, token(server.url, "builder"))
        project = builder.project()
        subject = builder.made(
            "subjects", locations=["image/png"], links={"project": project["id"]}
        )
        address = subject["locations"][0]["image/png"]
        assert address.startswith(f"{public}/media/subject_location/")
        behind = address.replace(public, server.url)
        assert requests.put(behind, data=png(), headers=BLOB, timeout=20).status_code == 201
        for headers in (
            {"X-Forwarded-Proto": "https"},
            {"Host": "sandbox.example.org"},
            {"Origin": "https://page.example.org"},
        ):
            sign_in = requests.get(f"{server.url}/users/sign_in", headers=headers, timeout=20)
            assert "Secure" in sign_in.headers["Set-Cookie"]
            assert "SameSite=None" in sign_in.headers["Set-Cookie"]
        workflow = builder.workflow(project)
        (number,) = builder.subjects(project, 1)
        for address, name in (("198.51.100.7", "a"), ("198.51.100.8", "b")):
            headers = {"X-Forwarded-For": address}
            body = {
                "annotations": [],
                "metadata": {
                    "started_at": name,
                    "finished_at": "",
                    "user_agent": "",
                    "user_language": "en",
                    "workflow_version": "1.1",
                },
                "links": {
                    "project": project["id"],
                    "workflow": workflow["id"],
                    "subjects": [number],
                },
            }
            sent = {"classifications": body}
            answer = Api(server.url).request("POST", "/classifications", sent, headers)
            assert answer.status_code == 201
        builder.session.close()


def test_in_place_of_the_real_host_scripts_stay_here_and_browsers_see_its_name(state):
    public = "https://www.zooniverse.org"
    with running_sandbox(state, public_url=public) as server:
        client = Panoptes(endpoint=server.url)
        client.login("builder", "sandbox")
        assert client.logged_in, "a secure cookie would not come back over plain http"
        client.session.close()
        builder = Api(server.url, token(server.url, "builder"))
        project = builder.project()
        subject = builder.made(
            "subjects", locations=["image/png"], links={"project": project["id"]}
        )
        address = subject["locations"][0]["image/png"]
        assert address.startswith(f"{server.url}/media/")
        assert requests.put(address, data=png(), headers=BLOB, timeout=20).status_code == 201
        path = f"/subjects/{subject['id']}"
        assert builder.one(path)["locations"][0]["image/png"].startswith(server.url)
        for headers in (
            {"X-Forwarded-Proto": "https"},
            {"Host": "www.zooniverse.org"},
            {"Origin": "https://local.zooniverse.org:8080"},
        ):
            shown = builder.request("GET", path, None, headers).json()["subjects"][0]
            assert shown["locations"][0]["image/png"].startswith(f"{public}/media/")
        builder.session.close()


def test_a_taken_port_is_said(state):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        expected = pytest.raises(BadInput, match=f"127.0.0.1:{port}: cannot listen there")
        with expected, running_sandbox(state, port):
            pytest.fail("it listened on a taken port")


def test_two_states_at_once_do_not_know_each_other(state, tmp_path):
    with running_sandbox(state) as one, running_sandbox(tmp_path / "other") as two:
        builder = Api(one.url, token(one.url, "builder"))
        builder.project()
        assert Api(two.url, builder.token).get("/me").status_code == 401
        assert Api(two.url).get("/projects").json()["projects"] == []
        builder.session.close()


def test_unexpected_failures_are_json_and_logged(server, anonymous, monkeypatch, caplog):
    def fall_over(*_):
        raise RuntimeError("planted")

    monkeypatch.setattr(
        "zooassist_plugin.sandbox.panoptes.users.Resource.find", fall_over, raising=True
    )
    answer = anonymous.get("/users/1")
    assert answer.status_code == 500
    assert json.loads(answer.text)["errors"][0]["message"] == "RuntimeError: planted"
    assert "request failed" in caplog.text


def test_a_burst_of_requests_is_no_news(server):
    log = logging.getLogger("waitress.queue")
    assert not log.isEnabledFor(logging.WARNING)
    assert log.isEnabledFor(logging.ERROR)
