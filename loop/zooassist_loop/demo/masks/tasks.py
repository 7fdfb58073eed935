"""What does the demo's workflow ask? An outline around every nucleus, and holes cut out of them."""

from __future__ import annotations

from typing import Any, Final

from zooassist_loop.demo.project import Plan
from zooassist_loop.mask_volunteers import OutlineTool

DRAWING_TASK: Final = "T0"
NUCLEUS: Final = OutlineTool(DRAWING_TASK, 0)
HOLE_TOOL: Final = 1
# Pre-filled marks come back as tool 0, so that a hole is known by its type alone.
HOLE_TYPE: Final = "freehandLine"

TASKS: Final[dict[str, Any]] = {
    DRAWING_TASK: {
        "type": "drawing",
        "instruction": "Outline every nucleus",
        "help": "Move outlines that are off, delete those around nothing, add what is missing.",
        "required": False,
        "next": None,
        "tools": [
            {"type": "polygon", "label": "Nucleus", "color": "#5edcff", "details": []},
            {"type": HOLE_TYPE, "label": "Hole", "color": "#ff7ab8", "details": []},
        ],
    }
}

MASK_PLAN: Final = Plan(
    description="Microscopy images with outlines to correct",
    what="nuclei",
    asks="Outline the nuclei",
    tasks=TASKS,
    first_task=DRAWING_TASK,
)
