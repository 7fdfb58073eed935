"""From everything drawn on a subject to the maps of its frames, subject by subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zooassist_exporters.drawn_classifications import DrawnClassification
from zooassist_exporters.drawn_subjects import DrawnSubjects
from zooassist_exporters.extracts.mark_tools import WorkflowTools
from zooassist_exporters.mask_classes import ClassNumbers
from zooassist_exporters.mask_files import (
    CONSENSUS,
    CONSENSUS_SCHEMA,
    CONTOURS,
    CONTOURS_SCHEMA,
    TableFile,
    table_file,
    write_maps,
)
from zooassist_exporters.mask_frames import Frame, FrameRules, encloses, frames_of
from zooassist_exporters.mask_options import MaskOptions
from zooassist_exporters.mask_tools import with_true_tools
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.reductions.masks.consensus import (
    Consensus,
    Objects,
    TooManyObjects,
    consensus,
)
from zooassist_exporters.reductions.masks.methods import method_named
from zooassist_exporters.reductions.masks.overlay import Overlay
from zooassist_plugin.errors import BadInput

Subject = tuple[int, Sequence[DrawnClassification]]


@dataclass(frozen=True)
class Survey:
    """What the first pass over the subjects found: the drawing task to use and its classes."""

    task: str
    classes: ClassNumbers
    subjects: int


def drawn_in(drawn: DrawnSubjects, tools: WorkflowTools) -> Iterator[Subject]:
    """Yield each subject with what was drawn on it, every mark with the tool that drew it."""
    for subject_id, classifications in drawn.subjects():
        yield subject_id, [with_true_tools(each, tools) for each in classifications]


def survey(subjects: Iterable[Subject], options: MaskOptions, name: str) -> Survey:
    """Count the marks of each drawing task and collect its classes, before any mask is made.

    Raises
    ------
    BadInput
        When nothing was drawn, or several tasks have marks and the options name none.
    """
    marks: Counter[str] = Counter()
    classes: dict[str, ClassNumbers] = {}
    count = 0
    join = method_named(options.method, options.quorum)[0].joins_strokes
    for _, classifications in subjects:
        count += 1
        for drew in (each for one in classifications for each in one.tasks):
            if options.task in (None, drew.task):
                marks[drew.task] += len(drew.marks)
                found = classes.setdefault(drew.task, ClassNumbers(options.classes))
                found.add(mark for mark in drew.marks if encloses(mark, join))
    listed = ", ".join(f"{task} ({number} marks)" for task, number in sorted(marks.items()))
    if len(+marks) > 1:
        raise BadInput(f"{name}: several drawing tasks: {listed}; choose one with --task")
    if not +marks or not (classes[next(iter(+marks))].numbers()):
        raise BadInput(
            f"{name}: expected marks that outline something, got none; drawing tasks: "
            f"{listed or 'none'}; check --task, --class-from and --hole-tool"
        )
    [task] = +marks
    return Survey(task, classes[task], count)


class SubjectMasks:
    """The second pass: subject by subject, from marks to maps in the staging folder.

    Attributes
    ----------
    paths : dict
        (subject id, frame) -> label map.
    subjects : list of int
        Those with a mask.
    left_out : Counter
        Marks that say nothing about a mask, by reason.
    classifications : int
        How many the masks rest on.
    """

    def __init__(
        self,
        surveyed: Survey,
        options: MaskOptions,
        staging: Path,
        problems: ProblemList,
        tables: ExitStack,
    ) -> None:
        self._names = surveyed.classes.names()
        self._staging, self._problems, self._options = staging, problems, options
        self._method, self._quorum = method_named(options.method, options.quorum)
        self._rules = FrameRules(
            task=surveyed.task,
            classes=options.classes,
            numbers=surveyed.classes.numbers(),
            size=options.size,
            join=self._method.joins_strokes,
            fill=options.fill,
        )
        self._table = tables.enter_context(table_file(staging / CONSENSUS, CONSENSUS_SCHEMA))
        self._contours: TableFile | None = None
        if options.method == "contours":
            self._contours = tables.enter_context(table_file(staging / CONTOURS, CONTOURS_SCHEMA))
        self.paths: dict[tuple[int, int], Path] = {}
        self.subjects: list[int] = []
        self.left_out: Counter[str] = Counter()
        self.classifications = 0

    def reduce(self, subject_id: int, drawn: Sequence[DrawnClassification]) -> None:
        """Write the masks of one subject."""
        before = len(self.paths)
        for frame in frames_of(subject_id, drawn, self._rules, self._problems, self.left_out):
            found = self._consensus(subject_id, frame)
            if found is not None:
                path = write_maps(found, self._staging, subject_id, frame.number)
                self.paths[subject_id, frame.number] = path
                self._list(subject_id, frame, found)
        if len(self.paths) > before:
            self.subjects.append(subject_id)
            self.classifications += len(drawn)

    def _consensus(self, subject_id: int, frame: Frame) -> Consensus | None:
        needed, seen = self._quorum.count, len(frame.seen)
        place = f"subject {subject_id}, frame {frame.number}"
        if needed is not None and seen < needed:
            detail = f"expected at least {needed} who saw it, got {seen}"
            remedy = "the frame was left out; give a smaller --k, or a share such as 0.5"
            self._problems.add(Problem(place, "fewer volunteers than k", detail, remedy))
            return None
        # The outlines of CRIA may be holes in each other: they are no objects.
        objects: Objects = "pieces" if self._method.joins_strokes else "marks"
        numbers = list(self._names)
        try:
            return consensus(frame.seen, frame.size, numbers, self._method, self._quorum, objects)
        except TooManyObjects as error:
            problem = Problem(place, "too many objects", str(error), "the frame was left out")
            self._problems.add(problem)
            return None

    def _list(self, subject_id: int, frame: Frame, found: Consensus) -> None:
        needed = None
        if self._options.method != "staple":
            needed = self._quorum.needed(found.volunteers)
        for each in found.classes:
            named = {
                "subject_id": subject_id,
                "frame": frame.number,
                "number": each.number,
                "label": self._names[each.number],
                "volunteers": found.volunteers,
            }
            self._table.add(
                {
                    **named,
                    "width": frame.size.width,
                    "height": frame.size.height,
                    "method": self._options.method,
                    "needed": needed,
                    "drawn_by": each.drawn_by,
                    "area": each.area,
                    "objects": each.objects,
                    "agreement": each.agreement,
                }
            )
            if self._contours is not None:
                _list_contours(self._contours, named, found.overlays[each.number])


def _list_contours(table: TableFile, named: Mapping[str, Any], drawn: Overlay) -> None:
    # Imported here: only this method needs the geometry libraries.
    import shapely

    from zooassist_exporters.reductions.masks.contours import contours

    for contour in contours(drawn):
        geometry = shapely.to_geojson(contour.region)
        table.add({**named, "level": contour.level, "share": contour.share, "geometry": geometry})
