"""How does a proposal reach the volunteer? A table of presenters, each a pure function."""

from __future__ import annotations

from zooassist_plugin.presenters.machine_learnt import REDUCER_KEY, canonical, write_marks
from zooassist_plugin.presenters.marks import present_marks
from zooassist_plugin.presenters.masks import present_masks
from zooassist_plugin.presenters.presented import FrameSize, Presented, Presenter, Unpresentable
from zooassist_plugin.presenters.subtasks import present_subtasks

PRESENTERS: dict[str, Presenter] = {
    "marks": present_marks,
    "subtasks": present_subtasks,
    "masks": present_masks,
}

__all__ = [
    "PRESENTERS",
    "REDUCER_KEY",
    "FrameSize",
    "Presented",
    "Presenter",
    "Unpresentable",
    "canonical",
    "write_marks",
]
