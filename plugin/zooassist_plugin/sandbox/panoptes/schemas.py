"""Which attributes may a client send? One table per resource; anything else is refused with 422."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zooassist_plugin.sandbox.panoptes.conventions import Body
from zooassist_plugin.sandbox.problems import ApiError

JSON_NAMES = {
    str: "string",
    dict: "object",
    list: "array",
    bool: "boolean",
    int: "integer",
    type(None): "null",
}
Kinds = tuple[type, ...]

TEXT: Kinds = (str,)
OPTIONAL_TEXT: Kinds = (str, type(None))
FLAG: Kinds = (bool,)
OBJECT: Kinds = (dict,)
ARRAY: Kinds = (list,)


@dataclass(frozen=True)
class Schema:
    """Attribute names with their JSON kinds, and those a creation must give.

    Attributes
    ----------
    objects : tuple of str
        The arrays whose items must all be objects.
    not_blank : tuple of str
        The texts that must say something.
    links, creation_links : tuple of str
        What may be linked always, and at creation only; where both are empty, anything.
    """

    name: str
    properties: Mapping[str, Kinds]
    required: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    not_blank: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    creation_links: tuple[str, ...] = ()

    def check(self, body: Body, creating: bool = True) -> Body:
        """Return `body`; 422 when an attribute is missing, unknown or of another kind."""
        missing = [name for name in self.required if creating and name not in body]
        if missing:
            raise ApiError(422, f"{self.name}: missing required attribute {missing[0]!r}")
        for name, value in body.items():
            kinds = self.properties.get(name)
            if kinds is None:
                raise ApiError(
                    422,
                    f"{self.name}: found unpermitted parameter: {name}; known are "
                    f"{', '.join(self.properties)}",
                )
            # bool is an int to Python but not to JSON.
            if type(value) not in kinds:
                expected = " or ".join(JSON_NAMES[kind] for kind in kinds)
                found = JSON_NAMES.get(type(value), "number")
                raise ApiError(422, f"{self.name}.{name}: expected {expected}, got {found}")
            if name in self.objects and not all(isinstance(item, dict) for item in value):
                raise ApiError(422, f"{self.name}.{name}: expected a list of objects")
            if name in self.not_blank and not value.strip():
                words = name.replace("_", " ").capitalize()
                raise ApiError(400, f"Validation failed: {words} can't be blank")
        if self.links or self.creation_links:
            self._check_links(body.get("links", {}), creating)
        return body

    def _check_links(self, links: Body, creating: bool) -> None:
        permitted = (*self.creation_links, *self.links) if creating else self.links
        unknown = [name for name in links if name not in permitted]
        if unknown:
            raise ApiError(
                422,
                f"{self.name}.links: found unpermitted parameter: {unknown[0]}; "
                f"{'a creation' if creating else 'a change'} may link "
                f"{', '.join(permitted) or 'nothing'}",
            )


PROJECT = Schema(
    "projects",
    {
        "display_name": TEXT,
        "description": TEXT,
        "introduction": OPTIONAL_TEXT,
        "title": OPTIONAL_TEXT,
        "workflow_description": OPTIONAL_TEXT,
        "researcher_quote": OPTIONAL_TEXT,
        "primary_language": TEXT,
        "private": FLAG,
        "live": FLAG,
        "launch_requested": FLAG,
        "launch_approved": FLAG,
        "beta_requested": FLAG,
        "beta_approved": FLAG,
        "configuration": OBJECT,
        "tags": ARRAY,
        "urls": ARRAY,
        "experimental_tools": ARRAY,
        "links": OBJECT,
    },
    required=("display_name",),
    not_blank=("display_name",),
    creation_links=("workflows", "subject_sets"),
)

WORKFLOW = Schema(
    "workflows",
    {
        "display_name": TEXT,
        "primary_language": TEXT,
        "first_task": OPTIONAL_TEXT,
        "tasks": OBJECT,
        "steps": ARRAY,
        "configuration": OBJECT,
        "retirement": OBJECT,
        "aggregation": OBJECT,
        "active": FLAG,
        "grouped": FLAG,
        "pairwise": FLAG,
        "prioritized": FLAG,
        "public_gold_standard": FLAG,
        "mobile_friendly": (bool, type(None)),
        "display_order_position": (str, int),
        "links": OBJECT,
    },
    required=("display_name", "primary_language", "links"),
    not_blank=("display_name",),
    links=("subject_sets", "tutorial_subject"),
    creation_links=("project",),
)

SUBJECT_SET = Schema(
    "subject_sets",
    {"display_name": TEXT, "metadata": OBJECT, "expert_set": FLAG, "links": OBJECT},
    required=("display_name", "links"),
    not_blank=("display_name",),
    links=("subjects",),
    creation_links=("project", "workflows"),
)

SUBJECT = Schema(
    "subjects",
    {
        "locations": ARRAY,
        "metadata": OBJECT,
        "external_id": OPTIONAL_TEXT,
        "zooniverse_id": OPTIONAL_TEXT,
        "links": OBJECT,
    },
    required=("locations", "links"),
    links=("subject_sets",),
    creation_links=("project",),
)
