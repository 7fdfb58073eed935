"""What did a volunteer enter that is no vote? Numbers, texts, regions: one function per type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from zooassist_exporters.extracts.answered import UnexpectedValue


class Entered(NamedTuple):
    """One thing that one volunteer entered.

    Attributes
    ----------
    task : str
        Task key; ``T4.0`` for the first dropdown of a task, ``T0.0.0`` for a subtask.
    kind : str
        The task type.
    label : str
        What the entry is about, in words: a question, a highlighter's label; "" when unknown.
    number : float or None
        Of a slider.
    text : str or None
        What was typed, transcribed or highlighted.
    data : Any
        The entry as exported, where it is more than a number or a text: a region, points, cells.
    mark_index : int or None
        The mark that it is about, or its place in the list.
    """

    task: str
    kind: str
    label: str = ""
    number: float | None = None
    text: str | None = None
    data: Any = None
    mark_index: int | None = None


Annotation = Mapping[str, Any]


def slider_value(annotation: Annotation) -> Iterator[Entered]:
    """Yield the number that a slider was set to; the old classifier exports it as text.

    Examples
    --------
    >>> [each.number for each in slider_value({"task": "T4", "value": "57"})]
    [57.0]
    """
    value = annotation.get("value")
    if value is None or value == "":
        return
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UnexpectedValue(annotation["task"], "a number", value) from None
    yield Entered(annotation["task"], "slider", _label(annotation), number=number)


def text_value(annotation: Annotation) -> Iterator[Entered]:
    """Yield a text, of a text task or of a subtask of a mark; nothing when it was left empty.

    Examples
    --------
    >>> typed = {"task": "T0.0.2", "taskType": "text", "value": "a ring?", "markIndex": 1}
    >>> [(each.text, each.mark_index) for each in text_value(typed)]
    [('a ring?', 1)]
    """
    value = annotation.get("value")
    if isinstance(value, dict):  # of the new classifier, for a text with metadata beside it
        value = value.get("text")
    if value is None or value == "":
        return
    if not isinstance(value, str):
        raise UnexpectedValue(annotation["task"], "a text", value)
    kind = str(annotation.get("taskType") or "text")
    yield Entered(
        annotation["task"], kind, _label(annotation), text=value, mark_index=_mark(annotation)
    )


def dropdown_texts(annotation: Annotation) -> Iterator[Entered]:
    """Yield what was typed into dropdowns in place of an option.

    Examples
    --------
    >>> typed = {"select_label": "Shape", "option": False, "value": "like an egg"}
    >>> [(each.task, each.label, each.text)
    ...  for each in dropdown_texts({"task": "T4", "value": [{"option": True}, typed]})]
    [('T4.1', 'Shape', 'like an egg')]
    """
    value = annotation.get("value")
    several = isinstance(value, list)
    for number, select in enumerate(value if isinstance(value, list) else [value]):
        if not isinstance(select, dict) or select.get("option") is not False:
            continue
        if isinstance(select.get("value"), str) and select["value"]:
            task = f"{annotation['task']}.{number}" if several else annotation["task"]
            label = str(select.get("select_label") or "")
            yield Entered(task, "dropdown", label, text=select["value"])


def highlights(annotation: Annotation) -> Iterator[Entered]:
    """Yield the stretches of text that were highlighted, each with its label.

    Examples
    --------
    >>> stretch = {"start": 4, "end": 9, "text": "Venus", "labelInformation": {"label": "planet"}}
    >>> [(each.label, each.text, each.data)
    ...  for each in highlights({"task": "T1", "value": [stretch]})]
    [('planet', 'Venus', {'start': 4, 'end': 9})]
    """
    for number, entry in enumerate(_list(annotation)):
        information = entry.get("labelInformation")
        label = information.get("label") if isinstance(information, dict) else entry.get("label")
        yield Entered(
            annotation["task"],
            "highlighter",
            str(label or ""),
            text=entry.get("text") if isinstance(entry.get("text"), str) else None,
            data={key: entry.get(key) for key in ("start", "end")},
            mark_index=number,
        )


def transcription_lines(annotation: Annotation) -> Iterator[Entered]:
    """Yield the lines of a transcription; the old classifier keeps the text in the line's details.

    The new classifier exports texts as annotations of their own (`text_value`, with the line's
    number in `mark_index`).

    Examples
    --------
    >>> line = {"toolType": "transcriptionLine", "frame": 0, "x1": 1, "y1": 2, "x2": 9, "y2": 2,
    ...         "details": [{"value": "Dear Sir"}]}
    >>> [(each.text, each.data["x2"])
    ...  for each in transcription_lines({"task": "T0", "value": [line]})]
    [('Dear Sir', 9)]
    """
    for number, line in enumerate(_list(annotation)):
        details = line.get("details")
        first = details[0] if isinstance(details, list) and details else None
        text = first.get("value") if isinstance(first, dict) else None
        yield Entered(
            annotation["task"],
            "transcription",
            text=text if isinstance(text, str) else None,
            data={key: value for key, value in line.items() if key != "details"},
            mark_index=number,
        )


def crop_region(annotation: Annotation) -> Iterator[Entered]:
    """Yield the region that was cropped, in pixels of the image.

    Examples
    --------
    >>> box = {"x": 1, "y": 2, "width": 30, "height": 40}
    >>> [each.data["width"] for each in crop_region({"task": "T1", "value": box})]
    [30]
    """
    value = annotation.get("value")
    if value is None or value == {}:
        return
    if not isinstance(value, dict):
        raise UnexpectedValue(annotation["task"], "a region with x, y, width and height", value)
    yield Entered(annotation["task"], "crop", data=value)


def volumes(annotation: Annotation) -> Iterator[Entered]:
    """Yield the volumes that were grown in a cube of voxels.

    Examples
    --------
    >>> grown = {"label": "cell", "threshold": 15, "points": {"active": [{"x": 1, "y": 2, "z": 3}]}}
    >>> [(each.label, each.number) for each in volumes({"task": "T0", "value": [grown]})]
    [('cell', 15.0)]
    """
    for number, entry in enumerate(_list(annotation)):
        threshold = entry.get("threshold")
        yield Entered(
            annotation["task"],
            "volumetric",
            str(entry.get("label") or ""),
            number=float(threshold) if isinstance(threshold, int | float) else None,
            data=entry.get("points"),
            mark_index=number,
        )


def group_cells(annotation: Annotation) -> Iterator[Entered]:
    """Yield the subjects of a grid that were selected; each is a subject of its own.

    Examples
    --------
    >>> [(each.text, each.number) for each in group_cells(
    ...     {"task": "T0", "value": [{"index": 3, "subject": "5678"}]})]
    [('5678', 3.0)]
    """
    for number, cell in enumerate(_list(annotation)):
        index = cell.get("index")
        yield Entered(
            annotation["task"],
            "subjectGroupComparison",
            number=float(index) if isinstance(index, int) else None,
            text=None if cell.get("subject") is None else str(cell["subject"]),
            mark_index=number,
        )


def raw_value(annotation: Annotation) -> Iterator[Entered]:
    """Yield a value as it is: GeoJSON of a map, regions of a light curve.

    Examples
    --------
    >>> shapes = {"type": "FeatureCollection", "features": []}
    >>> [(each.kind, each.data["type"]) for each in raw_value(
    ...     {"task": "T0", "taskType": "geoDrawing", "value": shapes})]
    [('geoDrawing', 'FeatureCollection')]
    """
    if annotation.get("value") is not None:
        kind = str(annotation.get("taskType") or annotation.get("task_type") or "")
        yield Entered(annotation["task"], kind, _label(annotation), data=annotation["value"])


def feedback_entries(metadata: Mapping[str, Any]) -> Iterator[Entered]:
    """Yield what the classifier's feedback said about a classification, rule by rule.

    Examples
    --------
    >>> given = {"feedback": {"T0": [{"id": "7", "strategy": "radial", "success": False}]}}
    >>> [(each.task, each.label, each.number) for each in feedback_entries(given)]
    [('T0', '7', 0.0)]
    """
    feedback = metadata.get("feedback")
    for task, rules in feedback.items() if isinstance(feedback, dict) else ():
        for number, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, dict):
                success = rule.get("success")
                yield Entered(
                    str(task),
                    "feedback",
                    str(rule.get("id") or ""),
                    number=float(success) if isinstance(success, bool) else None,
                    data=rule,
                    mark_index=number,
                )


Reader = Callable[[Annotation], Iterator[Entered]]

# Task type -> what it holds besides votes.
READERS: Final[Mapping[str, Reader]] = {
    "slider": slider_value,
    "text": text_value,
    "textFromSubject": text_value,
    "dropdown": dropdown_texts,
    "dropdown-simple": dropdown_texts,
    "highlighter": highlights,
    "transcription": transcription_lines,
    "crop": crop_region,
    "volumetric": volumes,
    "subjectGroupComparison": group_cells,
    "subjectGroup": group_cells,
    "geoDrawing": raw_value,
    "dataVisAnnotation": raw_value,
    "graph2dRange": raw_value,
}


def _list(annotation: Annotation) -> list[dict[str, Any]]:
    value = annotation.get("value")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise UnexpectedValue(annotation["task"], "a list of objects", value)
    return value


def _label(annotation: Annotation) -> str:
    return str(annotation.get("task_label") or "")


def _mark(annotation: Annotation) -> int | None:
    mark = annotation.get("markIndex")
    return mark if isinstance(mark, int) else None
