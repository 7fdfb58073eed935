"""A workflow with all eight tools and a proposal for each, for tests of pre-fill."""

from __future__ import annotations

import csv
import http.server
import io
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefill_project import NO_OPTIONS, Prefill, prefill_project

from zooassist_plugin.http_session import PlatformRefused
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.presenters.machine_learnt import write_marks
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
    RotateRectangle,
)

TYPES = [
    "circle",
    "ellipse",
    "freehandLine",
    "line",
    "point",
    "polygon",
    "rectangle",
    "rotateRectangle",
]
STATE = {
    "type": "single",
    "question": "Which kind?",
    "required": False,
    "answers": [{"label": "round"}, {"label": "cigar"}],
}
TASKS = {
    "T0": {
        "type": "drawing",
        "instruction": "Correct the outlines",
        "help": "",
        "next": None,
        "tools": [
            {
                "type": kind,
                "label": kind,
                "color": f"hsl({45 * place} 90% 60%)",
                "min": 0,
                "max": 4,
                "details": [STATE] if kind == "ellipse" else [],
            }
            for place, kind in enumerate(TYPES)
        ],
    }
}
PATH = tuple((20.0 + 3 * step, 200.0 + (step % 5) * 4) for step in range(30))
SHAPES = [
    Circle(x_center=60, y_center=60, r=30),
    Ellipse(x_center=160, y_center=70, rx=45, ry=20, angle=30),
    FreehandLine(points=PATH),
    Line(x1=20, y1=130, x2=110, y2=160),
    Point(x=128, y=128),
    Polygon(points=((180, 150), (230, 160), (220, 210), (170, 200))),
    Rectangle(x_center=60, y_center=190, width=50, height=20),
    RotateRectangle(x_center=150, y_center=225, width=60, height=18, angle=-20),
]
# One pre-answered subtask, on the ellipse.
ANSWERS = {1: (SubtaskAnswer(task="T0.1.0", task_type="single", value=1),)}


@contextmanager
def eight_tools_project(
    folder: Path,
    images: Sequence[bytes],
    *,
    tasks: dict[str, Any] = TASKS,
    answers: dict[int, tuple[SubtaskAnswer, ...]] = ANSWERS,
    server_options: Mapping[str, Any] = NO_OPTIONS,
) -> Iterator[Prefill]:
    """Run a sandbox with a public project whose proposals lie in Caesar.

    `answers` are the pre-answered subtasks by tool.
    """
    configuration = {"enable_caesar_data_fetching": True}
    with prefill_project(
        folder, images, tasks, configuration=configuration, server_options=server_options
    ) as project:
        workflow = project.panoptes.workflow(project.workflow_id)
        marks = [
            Mark(shape=shape, tool_index=place, answers=answers.get(place, ()))
            for place, shape in enumerate(SHAPES)
        ]
        presented = write_marks(marks, workflow)
        _, etag = project.panoptes.resource("projects", project.project_id)
        path = f"/projects/{project.project_id}"
        public = {"projects": {"private": False}}
        project.panoptes.call("PUT", path, json=public, etag=etag)
        caesar = project.caesar
        caesar.create_workflow(project.workflow_id)
        caesar.create_reducer(project.workflow_id, {"type": "placeholder", "key": "machineLearnt"})
        rows = io.StringIO(newline="")
        out = csv.writer(rows)
        out.writerow(["extractor_key", "subject_id", "data"])
        out.writerows(["seed", subject, '{"seed": true}'] for subject in project.subject_ids)
        with _served(rows.getvalue().encode()) as url:
            caesar.import_extracts(project.workflow_id, url)
            for subject in project.subject_ids:
                _put_when_known(project, subject, presented.payload)
        yield project


@contextmanager
def _served(content: bytes) -> Iterator[str]:
    """Serve some bytes at a URL for the length of the block."""

    class Once(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Once) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/seed.csv"
        server.shutdown()
        thread.join()


def _put_when_known(project: Prefill, subject: int, payload: dict[str, Any]) -> None:
    """Write the reduction as soon as the import has made the subject known to Caesar."""
    deadline = time.monotonic() + 20
    while True:
        try:
            project.caesar.put_reduction(project.workflow_id, subject, payload)
        except PlatformRefused as error:
            if error.status != 404 or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
