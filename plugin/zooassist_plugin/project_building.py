"""How is a project filled through the API? Projects, workflows, subject sets, verified uploads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from zooassist_plugin.errors import BadInput, ItemFailed, Refused
from zooassist_plugin.media import check_stored, put_signed
from zooassist_plugin.panoptes import PAGE_SIZE, Panoptes
from zooassist_plugin.records import Subject
from zooassist_plugin.workflow import Workflow

UPLOAD_THREADS = 5  # as panoptes-client


@dataclass(frozen=True)
class NewSubject:
    """Files to upload as one subject.

    Attributes
    ----------
    name : str
        How messages call it; usually the file name.
    media : tuple of (mime, bytes)
        One per frame.
    """

    name: str
    media: tuple[tuple[str, bytes], ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.media:
            raise BadInput(f"{self.name}: expected at least one file for a subject, got none")


def create_project(
    panoptes: Panoptes,
    display_name: str,
    description: str,
    language: str = "en",
    *,
    private: bool = True,
    live: bool = False,
) -> int:
    """Create a project and return its id.

    Parameters
    ----------
    private : bool
        Whether only its team can see it; volunteers without a role get 404 then.
    live : bool
        Whether its classifications count as made after the launch.
    """
    content = {
        "display_name": display_name,
        "description": description,
        "primary_language": language,
        "private": private,
        "live": live,
    }
    return int(_create(panoptes, "projects", content)["id"])


def create_subject_set(panoptes: Panoptes, project_id: int, display_name: str) -> int:
    """Create an empty subject set and return its id."""
    content = {"display_name": display_name, "links": {"project": str(project_id)}}
    return int(_create(panoptes, "subject_sets", content)["id"])


def create_workflow(
    panoptes: Panoptes,
    project_id: int,
    display_name: str,
    tasks: Mapping[str, Any],
    first_task: str,
    *,
    subject_set_ids: Sequence[int] = (),
    **attributes: Any,  # noqa: ANN401
) -> Workflow:
    """Create a workflow and link it to subject sets.

    Parameters
    ----------
    **attributes
        Further fields of the resource: ``configuration``, ``retirement``, ``active``, ``steps``…
    """
    content = {
        "display_name": display_name,
        "primary_language": "en",
        "tasks": dict(tasks),
        "first_task": first_task,
        **attributes,
        "links": {"project": str(project_id)},
    }
    row = _create(panoptes, "workflows", content)
    if subject_set_ids:
        link_subject_sets(panoptes, int(row["id"]), subject_set_ids)
    return panoptes.workflow(int(row["id"]))


def link_subject_sets(panoptes: Panoptes, workflow_id: int, subject_set_ids: Sequence[int]) -> None:
    """Let a workflow serve the subjects of these sets."""
    ids = [str(identifier) for identifier in subject_set_ids]
    path = f"/workflows/{workflow_id}/links/subject_sets"
    panoptes.call("POST", path, json={"subject_sets": ids})


def add_subjects(panoptes: Panoptes, subject_set_id: int, subject_ids: Sequence[int]) -> None:
    """Put subjects into a set, 100 per request."""
    for start in range(0, len(subject_ids), PAGE_SIZE):
        ids = [str(identifier) for identifier in subject_ids[start : start + PAGE_SIZE]]
        path = f"/subject_sets/{subject_set_id}/links/subjects"
        panoptes.call("POST", path, json={"subjects": ids})


def upload_subjects(
    panoptes: Panoptes,
    project_id: int,
    subjects: Iterable[NewSubject],
    progress: Callable[[], None] = lambda: None,
) -> tuple[list[Subject], list[ItemFailed]]:
    """Create subjects in the order given, send their files, and ask the store for each.

    Subjects are created one after the other, so that their ids ascend; files travel several at a
    time. A subject that fails does not stop the others.

    Returns
    -------
    uploaded : list of Subject
        In the order given.
    failed : list of ItemFailed
    """

    def finish(subject: NewSubject, row: dict[str, Any] | ItemFailed) -> Subject | ItemFailed:
        if isinstance(row, ItemFailed):
            return row
        try:
            return _send_files(panoptes, subject, row)
        except ItemFailed as failure:
            return failure
        finally:
            progress()

    with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        started = [
            pool.submit(finish, subject, _create_subject(panoptes, project_id, subject))
            for subject in subjects
        ]
        results = [future.result() for future in started]
    uploaded = [result for result in results if isinstance(result, Subject)]
    failed = [result for result in results if isinstance(result, ItemFailed)]
    return uploaded, failed


def _create_subject(
    panoptes: Panoptes, project_id: int, subject: NewSubject
) -> dict[str, Any] | ItemFailed:
    content = {
        "locations": [mime for mime, _ in subject.media],
        "metadata": dict(subject.metadata),
        "links": {"project": str(project_id)},
    }
    try:
        return _create(panoptes, "subjects", content)
    except Refused as error:
        return ItemFailed(subject.name, "Panoptes did not create the subject", str(error))


def _send_files(panoptes: Panoptes, subject: NewSubject, row: Mapping[str, Any]) -> Subject:
    try:
        # A bare MIME type comes back with the signed address to send the file to, in order.
        for (mime, data), location in zip(subject.media, row["locations"], strict=True):
            put_signed(panoptes.media, location[mime], data, mime)
        created = panoptes.subject(int(row["id"]))
        for (_, data), place in zip(subject.media, created.locations, strict=True):
            check_stored(panoptes.media, place.url, len(data))
    except Refused as error:
        raise ItemFailed(subject.name, "the upload was refused", str(error)) from error
    except ItemFailed as error:
        raise ItemFailed(subject.name, error.reason, error.remedy) from error
    return created


def _create(panoptes: Panoptes, key: str, content: Mapping[str, Any]) -> dict[str, Any]:
    body, _ = panoptes.call("POST", f"/{key}", json={key: content})
    row: dict[str, Any] = body[key][0]
    return row
