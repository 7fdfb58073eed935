"""A project on a sandbox, ready for tests of pre-fill: an ellipse with galaxy questions on it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from zooassist_plugin.caesar import Caesar
from zooassist_plugin.panoptes import Panoptes, connect
from zooassist_plugin.project_building import (
    NewSubject,
    add_subjects,
    create_project,
    create_subject_set,
    create_workflow,
    upload_subjects,
)
from zooassist_plugin.sandbox.server import RunningSandbox, running_sandbox
from zooassist_plugin.settings import Settings

SMOOTH_TASKS: dict[str, Any] = {
    "T0": {
        "type": "drawing",
        "instruction": "Outline the galaxy",
        "help": "",
        "tools": [
            {
                "type": "ellipse",
                "label": "Galaxy",
                "color": "#ff0000",
                "min": 0,
                "max": 3,
                "details": [
                    {
                        "type": "single",
                        "question": "Smooth or featured",
                        "required": True,
                        "answers": [
                            {"label": "Smooth"},
                            {"label": "Featured or disk"},
                            {"label": "Star or artifact"},
                        ],
                    }
                ],
            }
        ],
        "next": "T1",
    },
    "T1": {
        "type": "single",
        "question": "Anything missing?",
        "answers": [{"label": "Yes"}, {"label": "No"}],
    },
}

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Prefill:
    """What a test works with."""

    server: RunningSandbox
    settings: Settings
    panoptes: Panoptes
    caesar: Caesar
    project_id: int
    workflow_id: int
    subject_set_id: int
    subject_ids: tuple[int, ...]


def builder_settings(url: str, **changes: Any) -> Settings:
    values = {"username": "builder", "password": "sandbox", **changes}
    return Settings(panoptes_endpoint=url, caesar_endpoint=url, **values)


def galaxy_png(seed: int, size: int = 48) -> bytes:
    """A bright ellipse on noise; another one for every seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size / 2
    angle = rng.uniform(0, np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    light = 200 * np.exp(-((u / (size / 6)) ** 2) - (v / (size / 12)) ** 2)
    pixels = np.clip(light + rng.normal(12, 3, (size, size)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def prefill_project(
    state: Path,
    images: Sequence[bytes] = (),
    tasks: Mapping[str, Any] = SMOOTH_TASKS,
    port: int = 0,
    server_options: Mapping[str, Any] = NO_OPTIONS,
    **attributes: Any,
) -> Iterator[Prefill]:
    """Run a sandbox with one project, workflow and subject set for the length of the block."""
    with running_sandbox(state, port, **server_options) as server:
        settings = builder_settings(server.url)
        with connect(settings) as panoptes, Caesar(settings, panoptes) as caesar:
            project_id = create_project(panoptes, "Pre-filled galaxies", "A test")
            subject_set_id = create_subject_set(panoptes, project_id, "galaxies")
            workflow = create_workflow(
                panoptes,
                project_id,
                "Outline",
                tasks,
                next(iter(tasks)),
                subject_set_ids=[subject_set_id],
                **attributes,
            )
            new = [
                NewSubject(f"galaxy-{place}", (("image/png", image),))
                for place, image in enumerate(images)
            ]
            uploaded, failed = upload_subjects(panoptes, project_id, new)
            assert not failed
            subject_ids = tuple(subject.subject_id for subject in uploaded)
            if subject_ids:
                add_subjects(panoptes, subject_set_id, subject_ids)
            yield Prefill(
                server,
                settings,
                panoptes,
                caesar,
                project_id,
                workflow.workflow_id,
                subject_set_id,
                subject_ids,
            )
