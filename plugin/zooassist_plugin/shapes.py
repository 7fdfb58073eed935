"""Which shapes can be drawn? The eight tools' geometry in one canonical form.

Canonical means: the parameters of classifier version 2, in natural pixels of the subject image
(origin top left, y down, fractions allowed), angles in degrees, positive clockwise on the screen.
Every other way of writing a shape is a dialect (`zooassist_plugin.dialects`). Source: the
front-end-monorepo's mark models and its ADR 24.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from zooassist_plugin.errors import BadInput

# Not a number and infinity are no JSON: Caesar would store such a payload as plain text, and the
# volunteer's page would crash on it. So no shape can hold them in the first place.
Pixels = Annotated[float, Field(allow_inf_nan=False)]
Extent = Annotated[float, Field(allow_inf_nan=False, ge=0)]
Degrees = Annotated[float, Field(allow_inf_nan=False)]
Vertex = tuple[Pixels, Pixels]


class _Geometry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(_Geometry):
    """A position."""

    tool_type: Literal["point"] = "point"
    x: Pixels
    y: Pixels


class Line(_Geometry):
    """A straight line between two positions."""

    tool_type: Literal["line"] = "line"
    x1: Pixels
    y1: Pixels
    x2: Pixels
    y2: Pixels


class Circle(_Geometry):
    """A circle by centre and radius."""

    tool_type: Literal["circle"] = "circle"
    x_center: Pixels
    y_center: Pixels
    r: Extent


class Ellipse(_Geometry):
    """An ellipse by centre and half axes; `angle` turns the `rx` axis clockwise from the x axis."""

    tool_type: Literal["ellipse"] = "ellipse"
    x_center: Pixels
    y_center: Pixels
    rx: Extent
    ry: Extent
    angle: Degrees = 0.0


class Rectangle(_Geometry):
    """An upright rectangle by its centre and full width and height."""

    tool_type: Literal["rectangle"] = "rectangle"
    x_center: Pixels
    y_center: Pixels
    width: Extent
    height: Extent


class RotateRectangle(_Geometry):
    """A rectangle turned clockwise about its centre."""

    tool_type: Literal["rotateRectangle"] = "rotateRectangle"
    x_center: Pixels
    y_center: Pixels
    width: Extent
    height: Extent
    angle: Degrees = 0.0


class Polygon(_Geometry):
    """A closed outline; the last vertex is joined to the first, which is not repeated."""

    tool_type: Literal["polygon"] = "polygon"
    points: tuple[Vertex, ...]


class FreehandLine(_Geometry):
    """A path; the classifier treats it as closed when its ends lie within 10 px of each other."""

    tool_type: Literal["freehandLine"] = "freehandLine"
    points: tuple[Vertex, ...]


Shape = Annotated[
    Point | Line | Circle | Ellipse | Rectangle | RotateRectangle | Polygon | FreehandLine,
    Field(discriminator="tool_type"),
]

# The tools that the classifier can pre-fill; every other tool type can only be drawn by hand.
TOOL_TYPES: dict[str, type[_Geometry]] = {
    "circle": Circle,
    "ellipse": Ellipse,
    "freehandLine": FreehandLine,
    "line": Line,
    "point": Point,
    "polygon": Polygon,
    "rectangle": Rectangle,
    "rotateRectangle": RotateRectangle,
}

_ADAPTER: TypeAdapter[Shape] = TypeAdapter(Shape)


def make_shape(tool_type: str, parameters: Mapping[str, Any]) -> Shape:
    """Return the shape of a tool from canonical parameters, which may come from anywhere.

    Raises
    ------
    BadInput
        When the tool is none of the eight, or a parameter is missing or is no finite number.
    """
    if tool_type not in TOOL_TYPES:
        raise BadInput(
            f"tool {tool_type!r}: expected one of the tools {', '.join(TOOL_TYPES)}; "
            "others have no canonical shape"
        )
    try:
        return _ADAPTER.validate_python({"tool_type": tool_type, **parameters})
    except ValidationError as error:
        first = error.errors()[0]
        # The first part of the location is the union's discriminator, which is the tool type.
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{place}: {first['msg']}, got {first['input']!r}") from error
