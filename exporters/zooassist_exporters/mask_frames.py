"""Which volunteers saw a frame of a subject, how large was it, and what did they cover?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from zooassist_exporters.drawn_classifications import DrawnClassification
from zooassist_exporters.extracts.marks import DrawnMark
from zooassist_exporters.frame_sizes import MOST_PIXELS, agreed_size
from zooassist_exporters.mask_classes import ClassKey, ClassRule
from zooassist_exporters.mask_patch import Size
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.rasterise import AREA_TOOLS, Fill
from zooassist_exporters.reductions.masks.volunteer import HOLE, Covered, Outline, covered
from zooassist_plugin.shapes import Line

OUTSIDE: Final = "covers no pixel centre"
# Far more than any subject has; what comes after it is a broken mark.
LAST_FRAME: Final = 99_999


@dataclass(frozen=True)
class FrameRules:
    """How the marks of a frame become masks of volunteers.

    Attributes
    ----------
    task : str
        The drawing task.
    size : Size, optional
        Of every frame, whatever the volunteers' browsers reported.
    join : bool
        Whether strokes are joined to outlines.
    """

    task: str
    classes: ClassRule
    numbers: Mapping[ClassKey, int]
    size: Size | None = None
    join: bool = False
    fill: Fill = "even-odd"


@dataclass(frozen=True)
class Frame:
    """One frame with what each volunteer who saw it covered."""

    number: int
    size: Size
    seen: tuple[Covered, ...]


def frames_of(
    subject_id: int,
    drawn: Sequence[DrawnClassification],
    rules: FrameRules,
    problems: ProblemList,
    left_out: Counter[str],
) -> Iterator[Frame]:
    """Yield the frames of a subject that anybody saw.

    Parameters
    ----------
    left_out : Counter
        Gets the marks that say nothing about a mask, by reason.
    """
    for number in _frame_numbers(drawn, rules.task):
        if number > LAST_FRAME:
            left_out[f"frame after {LAST_FRAME}"] += sum(
                len(_marks(each, number, rules.task)) for each in drawn
            )
            continue
        viewers = [each for each in drawn if _saw(each, rules.task, number)]
        if not viewers:
            continue
        place = f"subject {subject_id}, frame {number}"
        size, agreeing = _size(number, viewers, rules.size, place, problems)
        if size is None:
            continue
        seen = []
        for each in agreeing:
            outlines = list(_outlines(_marks(each, number, rules.task), rules, left_out))
            found = covered(outlines, size, join=rules.join, fill=rules.fill)
            left_out[OUTSIDE] += found.missed
            seen.append(found)
        yield Frame(number, size, tuple(seen))


def encloses(mark: DrawnMark, join: bool) -> bool:
    """Whether a mark is an outline, or a part of one where strokes are joined."""
    shape = mark.shape
    if shape is None:
        return False
    return shape.tool_type in AREA_TOOLS or (join and isinstance(shape, Line))


def _no_outline(mark: DrawnMark) -> str:
    if not mark.tool_type:
        return "tool not known: give --workflows, or --tool T0.6=polygon"
    return f"{mark.tool_type}, which outlines nothing"


def _frame_numbers(drawn: Sequence[DrawnClassification], task: str) -> list[int]:
    """Return the frames that were shown or marked; the first one is always there."""
    shown = {
        number
        for each in drawn
        for number, size in enumerate(each.sizes)
        if number == 0 or size is not None
    }
    marked = {
        mark.frame for each in drawn for one in each.tasks if one.task == task for mark in one.marks
    }
    return sorted(shown | marked | {0})


def _saw(drawn: DrawnClassification, task: str, frame: int) -> bool:
    """Whether a volunteer answered the task with a frame on the screen.

    The classifier lists the sizes of the frames it loaded; a frame past the end of the list was
    never opened, so that no mark on it is no vote. One that lists nothing showed the first.
    """
    if not any(each.task == task for each in drawn.tasks):
        return False
    shown = drawn.size_of(frame) is not None or (frame == 0 and not any(drawn.sizes))
    return shown or bool(_marks(drawn, frame, task))


def _marks(drawn: DrawnClassification, frame: int, task: str) -> list[DrawnMark]:
    return [
        mark
        for each in drawn.tasks
        if each.task == task
        for mark in each.marks
        if mark.frame == frame
    ]


def _size(
    frame: int,
    viewers: Sequence[DrawnClassification],
    given: Size | None,
    place: str,
    problems: ProblemList,
) -> tuple[Size | None, Sequence[DrawnClassification]]:
    """Return the size of a frame and the volunteers whose marks are in its pixels."""
    if given is not None:
        return given, viewers
    size, reported = agreed_size(each.size_of(frame) for each in viewers)
    if size is None or size.width * size.height > MOST_PIXELS:
        cause = "size unknown" if size is None else "size too large"
        expected = f"naturalWidth and naturalHeight up to {MOST_PIXELS:,} pixels"
        got = "none" if size is None else str(size)
        problems.add(
            Problem(
                place,
                cause,
                f"expected {expected} in subject_dimensions, got {got}",
                "give --size WIDTHxHEIGHT",
            )
        )
        return None, ()
    if len(reported) == 1:
        return size, viewers
    found = ", ".join(f"{each} ({count})" for each, count in reported.most_common())
    problems.add(
        Problem(
            place,
            "image seen in several sizes",
            f"expected one natural size, got {found}",
            "the most frequent size was taken, and volunteers who saw another were left out; "
            "give --size WIDTHxHEIGHT if all marks are in the same pixels",
        )
    )
    return size, [each for each in viewers if each.size_of(frame) in (None, size)]


def _outlines(
    marks: Sequence[DrawnMark], rules: FrameRules, left_out: Counter[str]
) -> Iterator[Outline]:
    for mark in marks:
        shape = mark.shape
        if shape is None or not encloses(mark, rules.join):
            left_out[_no_outline(mark)] += 1
            continue
        if rules.classes.is_hole(mark):
            yield Outline(shape, HOLE)
            continue
        key = rules.classes.class_of(mark)
        if key is None:
            left_out[f"without one answer to {rules.classes.source}"] += 1
        else:
            yield Outline(shape, rules.numbers[key])
