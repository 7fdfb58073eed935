"""The unmodified panoptes-client against the sandbox, in both of its logins."""

from __future__ import annotations

import csv
import io

import pytest
import requests
from panoptes_api import METADATA, TASKS, png
from panoptes_client import (
    Classification,
    Collection,
    Inaturalist,
    Organization,
    Panoptes,
    Project,
    ProjectPreferences,
    ProjectRole,
    Subject,
    SubjectSet,
    User,
    Workflow,
)
from panoptes_client.panoptes import PanoptesAPIException
from panoptes_client.set_member_subject import SetMemberSubject
from panoptes_client.subject_workflow_status import SubjectWorkflowStatus

from zooassist_plugin.sandbox.server import running_sandbox

LOGINS = {
    "password": {"username": "builder", "password": "sandbox"},
    "client credentials": {"client_id": "sandbox", "client_secret": "sandbox"},
}


@pytest.fixture
def server(state, monkeypatch, database):
    """A sandbox with the machine's clock: the client compares expiries with its own."""
    for name in ("USERNAME", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET", "ENDPOINT"):
        monkeypatch.delenv(f"PANOPTES_{name}", raising=False)
    with running_sandbox(state, database_url=database) as running:
        yield running


@pytest.fixture(params=LOGINS)
def client(request, server):
    with Panoptes(endpoint=server.url, **LOGINS[request.param]) as connected:
        yield connected
        connected.session.close()


@pytest.fixture
def project(client):
    made = Project()
    made.display_name = "Galaxies"
    made.description = "of one folder"
    made.primary_language = "en"
    made.private = False
    made.save()
    return made


@pytest.fixture
def workflow(project):
    made = Workflow()
    made.display_name = "Outline"
    made.primary_language = "en"
    made.tasks = TASKS
    made.first_task = "T0"
    made.retirement = {"criteria": "never_retire", "options": {}}
    made.links.project = project
    made.save()
    return made


@pytest.fixture
def subject_set(project):
    made = SubjectSet()
    made.display_name = "pool"
    made.links.project = project
    made.save()
    return made


@pytest.fixture
def images(tmp_path):
    paths = []
    for shade in (10, 120, 240):
        path = tmp_path / f"{shade}.png"
        path.write_bytes(png(shade))
        paths.append(path)
    return paths


@pytest.fixture
def subjects(project, images):
    made = []
    for path in images:
        subject = Subject()
        subject.links.project = project
        subject.add_location(str(path))
        subject.metadata["filename"] = path.name
        subject.save()
        made.append(subject)
    return made


def test_project(client, project):
    assert project.slug == "builder/galaxies"
    assert Project.find(slug="builder/galaxies").id == project.id
    found = Project.find(project.id)
    found.configuration["template"] = True
    found.description = "changed"
    found.save()
    found.introduction = "saved again without reloading by hand"
    found.save()
    again = Project.find(project.id)
    assert again.configuration == {"template": True}
    assert again.introduction.startswith("saved again")
    assert again.links.owner.login == "builder"
    assert [user.login for user in again.collaborators("owner")] == ["builder"]
    assert again.attached_images["media"] == []
    again.add_attached_image("https://example.org/a.csv", content_type="text/csv")
    assert Project.find(project.id).attached_images["media"][0]["external_link"] is True
    with pytest.raises(PanoptesAPIException, match="Could not find project"):
        Project.find(slug="builder/nothing")
    with pytest.raises(PanoptesAPIException, match="id='999'"):
        Project.find(999)
    again = Project.find(project.id)
    again.delete()
    with pytest.raises(PanoptesAPIException):
        Project.find(project.id)


def test_workflow(project, workflow, subject_set):
    assert workflow.version == "1.1"
    workflow.add_subject_sets([subject_set])
    found = Workflow.find(workflow.id)
    assert subject_set in found.links.subject_sets
    found.configuration["enable_caesar_data_fetching"] = True
    found.tasks["T1"]["answers"].append({"label": "Perhaps"})
    found.save()
    assert Workflow.find(workflow.id).version == "2.2"
    numbers = [(row.major_number, row.minor_number) for row in found.versions]
    assert numbers == [(1, 1), (2, 2)]
    found.remove_subject_sets(subject_set)
    assert list(Workflow.find(workflow.id).links.subject_sets) == []
    assert [item.id for item in Workflow.where(project_id=project.id)] == [workflow.id]
    assert [item.id for item in Project.find(project.id).links.active_workflows] == [workflow.id]


def test_a_stale_etag_fails_the_save_as_with_the_real_one(workflow):
    first, second = Workflow.find(workflow.id), Workflow.find(workflow.id)
    first.display_name = "first"
    first.save()
    second.display_name = "second"
    with pytest.raises(PanoptesAPIException, match="stale"):
        second.save()
    assert Workflow.find(workflow.id).display_name == "first"


def test_an_object_from_a_list_page_carries_the_pages_etag(project, workflow):
    (listed,) = Workflow.where(project_id=project.id)
    listed.display_name = "other"
    with pytest.raises(PanoptesAPIException, match="stale"):
        listed.save()


def test_structure_is_locked_once_the_project_is_live(client, project, workflow):
    Project.http_put(
        project.id,
        json={"projects": {"live": True}},
        etag=Project.find(project.id).etag,
    )
    found = Workflow.find(workflow.id)
    found.tasks["T1"]["answers"].append({"label": "Perhaps"})
    with pytest.raises(PanoptesAPIException, match="project is live"):
        found.save()
    found = Workflow.find(workflow.id)
    found.configuration["enable_caesar_data_fetching"] = True
    found.save()
    assert Workflow.find(workflow.id).configuration["enable_caesar_data_fetching"] is True


def test_subjects_with_files(subjects, images):
    for subject, path in zip(subjects, images, strict=True):
        read = Subject.find(subject.id)
        assert read.metadata == {"filename": path.name}
        (location,) = read.locations
        assert requests.get(location["image/png"], timeout=20).content == path.read_bytes()
    subjects[0].metadata["note"] = "kept its ETag"
    subjects[0].save()
    assert Subject.find(subjects[0].id).metadata["note"] == "kept its ETag"


def test_many_subjects_at_once(project, images):
    made = []
    with Subject.async_saves():
        for path in images * 4:
            subject = Subject()
            subject.links.project = project
            subject.add_location(str(path))
            subject.save()
            made.append(subject)
    assert all(subject.async_save_result for subject in made)
    assert len({subject.id for subject in made}) == 12
    for subject in made:
        url = Subject.find(subject.id).locations[0]["image/png"]
        assert requests.get(url, timeout=20).status_code == 200


def test_subject_set_add_iterate_remove(subject_set, subjects):
    subject_set.add(subjects)
    assert [subject.id for subject in subject_set.subjects] == [item.id for item in subjects]
    assert subjects[0] in subject_set
    subject_set.add(subjects[0])  # already there
    assert SubjectSet.find(subject_set.id).set_member_subjects_count == 3
    subject_set.remove(subjects[:2])
    assert [subject.id for subject in subject_set.subjects] == [subjects[2].id]
    assert subjects[0] not in subject_set
    found = SubjectSet.find(subject_set.id)
    found.metadata["indexFields"] = "filename"
    found.save()
    assert SubjectSet.find(subject_set.id).metadata == {"indexFields": "filename"}


def test_iterating_over_several_pages(project, subject_set, client):
    bodies = [
        {
            "locations": [{"image/png": "https://example.org/a.png"}],
            "links": {"project": project.id},
        }
        for _ in range(45)
    ]
    answer, _ = client.post("/subjects", json={"subjects": bodies})
    subject_set.add([item["id"] for item in answer["subjects"]])
    members = [
        member.links.subject.id for member in SetMemberSubject.where(subject_set_id=subject_set.id)
    ]
    assert members == [item["id"] for item in answer["subjects"]]
    assert len(list(Subject.where(subject_set_id=subject_set.id, page_size=10))) == 45


def test_retire_and_statuses(server, workflow, subject_set, subjects):
    workflow.add_subject_sets(subject_set)
    subject_set.add(subjects)
    workflow.retire_subjects(subjects[:2], reason="consensus")
    server.sandbox.jobs.drain()
    assert workflow.subject_workflow_status(subjects[0].id).retirement_reason == "consensus"
    assert subjects[1].subject_workflow_status(workflow.id).retired_at is not None
    assert workflow.subject_workflow_status(subjects[2].id).retired_at is None
    assert len(list(workflow.subject_workflow_statuses(subject_set.id))) == 3
    assert len(list(subject_set.subject_workflow_statuses(workflow.id))) == 3
    workflow.unretire_subjects(subjects[0])
    workflow.unretire_subjects_by_subject_set(subject_set)
    server.sandbox.jobs.drain()
    statuses = SubjectWorkflowStatus.where(workflow_id=workflow.id)
    assert [status.retired_at for status in statuses] == [None, None, None]


def test_export(client, server, project, workflow, subject_set, subjects):
    workflow.add_subject_sets(subject_set)
    subject_set.add(subjects)
    for number, subject in enumerate(subjects):
        client.post(
            "/classifications",
            json={
                "classifications": {
                    "annotations": [{"task": "T1", "taskType": "single", "value": number % 2}],
                    "completed": True,
                    "metadata": METADATA | {"workflow_version": workflow.version},
                    "links": {
                        "project": project.id,
                        "workflow": workflow.id,
                        "subjects": [subject.id],
                    },
                }
            },
        )
    workflow.generate_export("classifications")
    server.sandbox.jobs.drain()
    described = workflow.wait_export("classifications", timeout=30)
    assert described["media"][0]["metadata"]["state"] == "ready"
    rows = list(workflow.get_export("classifications").csv_dictreader())
    assert [row["subject_ids"] for row in rows] == [subject.id for subject in subjects]
    assert [row["user_name"] for row in rows] == ["builder"] * 3
    project.generate_export("subjects")
    server.sandbox.jobs.drain()
    rows = list(project.get_export("subjects", wait=True, wait_timeout=30).csv_dictreader())
    assert len(rows) == 3
    with pytest.raises(PanoptesAPIException, match="No workflows_export exists"):
        project.describe_export("workflows")
    pulled = list(Classification.where(scope="project", project_id=project.id, last_id=1))
    assert [row.annotations[0]["value"] for row in pulled] == [1, 0]
    # Asked again within the day, the row stays `creating`: waiting needs a time-out.
    workflow.generate_export("classifications")
    server.sandbox.jobs.drain()
    with pytest.raises(PanoptesAPIException, match="not ready within"):
        workflow.wait_export("classifications", timeout=0.5)


def test_downloads_are_decoded_as_badly_as_on_the_platform(server, workflow, project):
    workflow.display_name = "W é"
    workflow.save()
    guessed = project.get_export("workflows", generate=True, wait_timeout=20).csv_dictreader()
    assert {row["display_name"] for row in guessed} == {"W Ã©"}
    export = project.get_export("workflows")
    rows = csv.DictReader(io.StringIO(export.content.decode()))
    assert {row["display_name"] for row in rows} == {"W é"}


def test_a_version_leads_to_its_workflow(workflow):
    version = next(Workflow.find(workflow.id).versions)
    assert version.workflow.display_name == workflow.display_name


def test_the_queue_can_be_read_to_its_end(workflow, project, server):
    subject_set = SubjectSet()
    subject_set.display_name = "pool"
    subject_set.links.project = project
    subject_set.save()
    workflow.add_subject_sets(subject_set)
    subject = Subject()
    subject.links.project = project
    subject.add_location({"image/png": "https://example.org/1.png"})
    subject.save()
    subject_set.add(subject)
    queued = list(Subject.where(scope="queued", workflow_id=workflow.id))
    assert [row.id for row in queued] == [subject.id]


def test_what_only_the_platform_has_is_refused_with_a_reason(client, project, workflow):
    refusals = {
        "no collections": lambda: next(Collection.where(slug="a/b")),
        "no organizations": lambda: Organization.find(1),
        "no batch aggregations": lambda: workflow.run_aggregation(user=1),
        "copies no projects": project.copy,
        "no import from iNaturalist": lambda: Inaturalist.inat_import(46017, 3),
    }
    for words, ask in refusals.items():
        with pytest.raises(PanoptesAPIException, match=words):
            ask()


def test_users_preferences_and_roles(project):
    volunteer = next(User.where(login="volunteer1"))
    assert volunteer.login == "volunteer1"
    ProjectPreferences.save_settings(project=project, user=volunteer, settings={"workflow_id": "7"})
    (row,) = ProjectPreferences.fetch_settings(project=project, user=volunteer)
    assert row.settings == {"workflow_id": "7"}
    assert [role.roles for role in ProjectRole.where(project_id=project.id)] == [["owner"]]


def test_wrong_password(server):
    with pytest.raises(PanoptesAPIException, match="Invalid email or password"):
        Panoptes(endpoint=server.url, username="builder", password="wrong")


def test_anonymous_reads(server, project):
    with Panoptes(endpoint=server.url) as anonymous:
        assert Project.find(project.id).display_name == "Galaxies"
        anonymous.session.close()


def test_who_am_i(server):
    with Panoptes(endpoint=server.url, username="volunteer2", password="sandbox") as connected:
        assert User.me().login == "volunteer2"
        connected.session.close()


def test_an_expired_token_is_refreshed(server, client):
    project = Project()
    project.display_name = "first"
    project.save()
    before = client.bearer_token
    client.bearer_expires = client.bearer_expires.replace(year=2000)
    assert Project.find(project.id).display_name == "first"
    assert client.bearer_token != before


def test_connect_and_environment(server, monkeypatch):
    monkeypatch.setenv("PANOPTES_ENDPOINT", server.url)
    monkeypatch.setenv("PANOPTES_USERNAME", "builder")
    monkeypatch.setenv("PANOPTES_PASSWORD", "sandbox")
    connected = Panoptes.connect()
    try:
        assert connected.endpoint == server.url
        project = Project()
        project.display_name = "by environment"
        project.save()
        assert Project.find(project.id).slug == "builder/by-environment"
    finally:
        del Panoptes._local.panoptes_client
        connected.session.close()
