"""What does a Label Studio project ask? Its label config, as far as models can answer it.

Source: labelstud.io, guide "Configure labeling interface", and the tag references it links to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree import ElementTree

from zooassist_plugin.errors import BadInput

MAX_CHARACTERS = 256 * 1024

# Tag -> the type that its results have.
CONTROLS: Mapping[str, str] = MappingProxyType(
    {
        "choices": "choices",
        "number": "number",
        "brush": "brush",
        "brushlabels": "brushlabels",
        "ellipse": "ellipse",
        "ellipselabels": "ellipselabels",
        "keypoint": "keypoint",
        "keypointlabels": "keypointlabels",
        "polygon": "polygon",
        "polygonlabels": "polygonlabels",
        "rectangle": "rectangle",
        "rectanglelabels": "rectanglelabels",
    }
)


@dataclass(frozen=True)
class Control:
    """A tag that asks for something about an image.

    Attributes
    ----------
    type : str
        A value of `CONTROLS`.
    name, to_name : str
        Its own, and that of the image.
    values : tuple of str
        Choices or labels, as they are stored.
    texts : tuple of str
        The same as people read them.
    is_multiple : bool
        Of choices: whether several may be chosen.
    """

    type: str
    name: str
    to_name: str
    values: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    is_multiple: bool = False

    @property
    def shape(self) -> str:
        """Which shape is drawn: ``ellipse``, ``brush``…; "" of choices and numbers."""
        return "" if self.type in ("choices", "number") else self.type.removesuffix("labels")


@dataclass(frozen=True)
class LabelConfig:
    """What a project asks.

    Attributes
    ----------
    images : mapping
        Name of an image tag -> key of a task's data.
    controls : tuple of Control
        About these images, in the order of the config.
    """

    images: Mapping[str, str]
    controls: tuple[Control, ...]


def read_label_config(text: str) -> LabelConfig:
    """Read a label config.

    Raises
    ------
    BadInput
        When it is no XML, or holds what no label config does.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadInput(
            f"label config: expected at most {MAX_CHARACTERS:,} characters, got {len(text):,}"
        )
    # Entities can grow without end or name files; label configs have none.
    if "<!" in text.replace("<!--", ""):
        raise BadInput("label config: expected XML without a document type")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise BadInput(f"label config: expected XML: {error}") from error
    images: dict[str, str] = {}
    for element in root.iter():
        if element.tag.lower() == "image" and element.get("value", "").startswith("$"):
            images[element.get("name", "")] = element.get("value", "")[1:]
    controls = [
        _control(element, kind)
        for element in root.iter()
        if (kind := CONTROLS.get(element.tag.lower())) is not None
        and element.get("toName", "") in images
    ]
    return LabelConfig(MappingProxyType(images), tuple(controls))


def _control(element: ElementTree.Element, kind: str) -> Control:
    wanted = "choice" if kind == "choices" else "label"
    options = [each for each in element.iter() if each.tag.lower() == wanted and each.get("value")]
    # An alias is what is stored; the value is what is read, and the other way round without one.
    values = tuple(each.get("alias") or each.get("value") or "" for each in options)
    return Control(
        type=kind,
        name=element.get("name", ""),
        to_name=element.get("toName", ""),
        values=values,
        texts=tuple(each.get("value", "") for each in options),
        is_multiple=element.get("choice", "single") == "multiple",
    )
