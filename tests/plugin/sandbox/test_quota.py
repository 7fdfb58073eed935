from __future__ import annotations

from panoptes_api import Api, token

from zooassist_plugin.sandbox.server import running_sandbox


def test_more_subjects_than_allowed_are_403(state):
    with running_sandbox(state, subject_limit=3) as server:
        builder = Api(server.url, token(server.url, "builder"))
        project = builder.project()
        builder.subjects(project, 3)
        body = {"locations": ["image/png"], "links": {"project": project["id"]}}
        answer = builder.post("/subjects", {"subjects": body})
        assert answer.status_code == 403
        message = answer.json()["errors"][0]["message"]
        assert message == "User has uploaded 3 subjects of 3 maximum"
        builder.session.close()
