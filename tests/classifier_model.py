"""A tiny model of what the classifier does with a reduction, written from its documented behaviour.

It shares no code with the package, so that it can contradict it. Source: the failure table of the
platform notes and the runs in the classifier contract (front-end-monorepo 43a43fe11).
"""

import json
import math

GEOMETRY = {
    "point": ["x", "y"],
    "line": ["x1", "y1", "x2", "y2"],
    "circle": ["x_center", "y_center", "r"],
    "ellipse": ["x_center", "y_center", "rx", "ry", "angle"],
    "rectangle": ["x_center", "y_center", "width", "height"],
    "rotateRectangle": ["x_center", "y_center", "width", "height", "angle"],
    "polygon": ["points"],
    "freehandLine": ["pathX", "pathY"],
}


class PageCrash(Exception):
    """The volunteer sees an error page."""


def steps_of(workflow):
    """Step key -> task keys, as the classifier makes them."""
    if workflow.get("steps"):
        return {key: step["taskKeys"] for key, step in workflow["steps"]}
    tasks, first = workflow["tasks"], workflow["first_task"]
    inside = [m for t in tasks.values() if t["type"] == "combo" for m in t["tasks"]]
    order = [first] + [k for k in tasks if k not in inside and k != first]
    return {
        f"S{n}": tasks[k]["tasks"] if tasks[k]["type"] == "combo" else [k]
        for n, k in enumerate(order)
        if n == 0 or tasks[k]["type"] != "shortcut"
    }


def shown(workflow, payload):
    """Marks that appear while a volunteer walks through all steps, in order of creation."""
    if workflow["configuration"].get("enable_caesar_data_fetching") is not True:
        return []
    if any(task["type"] == "transcription" for task in workflow["tasks"].values()):
        return []
    if not isinstance(payload, dict) or not isinstance(payload.get("data"), list):
        raise PageCrash("undefined.forEach")
    steps = steps_of(workflow)
    marks = {}
    for place, datum in enumerate(payload["data"]):
        step = datum.get("stepKey", next(iter(steps)))
        if step not in steps:
            continue
        if not step.startswith("S") and step != next(iter(steps)):
            continue  # the step's number is parsed behind an S; on later pages it is NaN
        task_index = datum.get("taskIndex", 0)
        if task_index >= len(steps[step]):
            continue
        task_key = steps[step][task_index]
        task = workflow["tasks"][task_key]
        if "tools" not in task:
            raise PageCrash("task has no tools")
        tool_index = datum.get("toolIndex", 0)
        if tool_index >= len(task["tools"]):
            continue
        tool = task["tools"][tool_index]
        if tool["type"] not in GEOMETRY:
            continue
        geometry = {key: datum.get(key, 0) for key in GEOMETRY[tool["type"]]}
        frame = datum.get("frame", 0)
        if workflow["configuration"].get("multi_image_clone_markers"):
            assert frame == 0, "cloned marks live on frame 0"
        marks[datum.get("markId", f"generated-{place}")] = {
            "task": task_key,
            "tool": tool_index,
            "toolType": tool["type"],
            "frame": frame,
            "geometry": geometry,
            "annotations": _listed(datum.get("annotations", [])),
        }
    return list(marks.values())


def _listed(annotations):
    """Subtask answers come as a list, or as a map by their ids."""
    return list(annotations.values()) if isinstance(annotations, dict) else annotations


def is_kept(mark):
    """Whether a mark survives Done."""
    g = mark["geometry"]
    match mark["toolType"]:
        case "line":
            return math.hypot(g["x2"] - g["x1"], g["y2"] - g["y1"]) > 5
        case "circle":
            return g["r"] >= 5
        case "ellipse":
            return g["rx"] > 5
        case "rectangle" | "rotateRectangle":
            return g["width"] > 5 and g["height"] > 5
        case "polygon":
            return g["points"] != 0 and len(g["points"]) >= 3
        case "freehandLine":
            return g["pathX"] != 0 and len(g["pathX"]) >= 20
    return True


def is_closed(mark):
    """Whether a freehand path is treated as an outline."""
    xs, ys = mark["geometry"]["pathX"], mark["geometry"]["pathY"]
    return len(xs) > 20 and math.hypot(xs[0] - xs[-1], ys[0] - ys[-1]) <= 10


def done_is_open(workflow, marks):
    """Whether Done can be pressed: every required subtask of every mark is answered."""
    for mark in marks:
        tool = workflow["tasks"][mark["task"]]["tools"][mark["tool"]]
        answers = {a["task"]: a["value"] for a in mark["annotations"]}
        for index, detail in enumerate(tool.get("details") or []):
            value = answers.get(f"{mark['task']}.{mark['tool']}.{index}")
            if detail.get("required") and value in (None, [], ""):
                return False
    return True


def drawing_is_open(workflow, marks):
    """Whether no tool holds more marks than its `max`."""
    counts = {}
    for mark in marks:
        key = mark["task"], mark["tool"]
        counts[key] = counts.get(key, 0) + 1
    return all(
        counts[task, tool] <= float(workflow["tasks"][task]["tools"][tool].get("max") or "inf")
        for task, tool in counts
    )


def submitted(workflow, payload):
    """Annotations of a volunteer who presses Done at once (marks of all steps)."""
    marks = [mark for mark in shown(workflow, payload) if is_kept(mark)]
    tasks = {}
    for mark in sorted(marks, key=lambda m: (m["task"], m["tool"])):
        tasks.setdefault(mark["task"], []).append(mark)
    annotations = []
    for task, drawn in tasks.items():
        value = [
            {"frame": m["frame"], "toolIndex": 0, "toolType": m["toolType"], **m["geometry"]}
            | {"details": [{"task": a["task"]} for a in m["annotations"]]}
            for m in drawn
        ]
        annotations.append({"task": task, "taskType": "drawing", "value": value})
        annotations += [
            {**a, "markIndex": index} for index, m in enumerate(drawn) for a in m["annotations"]
        ]
    return annotations


def assert_intact(workflow, payload, frames=1):
    """Assert that every mark of a payload is shown and kept, and that volunteers can go on.

    Returns the marks shown.
    """

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    again = json.loads(json.dumps(payload), parse_constant=refuse)
    marks = shown(workflow, again)
    assert len(marks) == len(again["data"]), "a mark vanished"
    for mark, datum in zip(marks, again["data"], strict=True):
        assert mark["toolType"] == datum["toolType"]
        assert mark["task"] == datum["taskKey"]
        assert is_kept(mark), f"{mark} is dropped at Done"
        assert 0 <= mark["frame"] < frames
        for key in GEOMETRY[mark["toolType"]]:
            assert key in datum, f"{key} would default to 0"
        for number in _numbers(mark["geometry"]):
            assert isinstance(number, int | float)
            assert math.isfinite(number)
            assert round(number, 2) == number
    assert done_is_open(workflow, marks)
    assert drawing_is_open(workflow, marks)
    assert len(json.dumps(payload)) < 1_000_000
    return marks


def _numbers(geometry):
    for value in geometry.values():
        if isinstance(value, list):
            for each in value:
                if isinstance(each, dict):
                    assert set(each) == {"x", "y"}
                    yield from each.values()
                else:
                    yield each
        else:
            yield value
