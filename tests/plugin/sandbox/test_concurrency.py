"""Many volunteers at once: nothing is lost, counted twice or refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests
from panoptes_api import Api, png, token

BLOB = {"x-ms-blob-type": "BlockBlob"}


def test_one_subject_classified_by_many_at_the_same_time(server, builder, project, workflow):
    subject_set = builder.subject_set(project)
    (subject,) = builder.subjects(project, 1, subject_set)
    names = [f"volunteer{number}" for number in range(1, 11)]
    tokens = [token(server.url, name) for name in names]

    def classify(access_token):
        api = Api(server.url, access_token)
        answers = [api.classify(workflow, subject).status_code for _ in range(3)]
        api.session.close()
        return answers

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(classify, tokens))
    assert answers == [[201] * 3] * 10
    params = {"workflow_id": workflow["id"], "subject_id": subject}
    status = builder.one("/subject_workflow_statuses", **params)
    assert status["classifications_count"] == 10  # the repeats do not count
    assert builder.one(f"/workflows/{workflow['id']}")["classifications_count"] == 30


def test_one_etag_lets_one_update_through(builder, project):
    path = f"/projects/{project['id']}"
    etag = builder.get(path).headers["ETag"]

    def update(number):
        api = Api(builder.url, builder.token)
        answer = api.put(path, {"projects": {"description": str(number)}}, etag)
        api.session.close()
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(update, range(8)))
    assert answers == [200] + [412] * 7


def test_subjects_are_saved_and_uploaded_side_by_side(builder, project):
    def save(shade):
        api = Api(builder.url, builder.token)
        links = {"project": project["id"]}
        subject = api.made("subjects", locations=["image/png"], links=links)
        answer = requests.put(
            subject["locations"][0]["image/png"], data=png(shade), headers=BLOB, timeout=20
        )
        url = api.one(f"/subjects/{subject['id']}")["locations"][0]["image/png"]
        api.session.close()
        return answer.status_code, requests.get(url, timeout=20).content == png(shade)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(save, range(40))) == [(201, True)] * 40
