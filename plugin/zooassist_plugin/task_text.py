"""What do volunteers read? The strings of a workflow's tasks as plain text and as slugs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from zooassist_plugin.errors import BadInput

_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_MARKUP = re.compile(r"(^|\s)(#{1,6}|\*)\s+|[*_`~]{1,3}")
_ACCENTS = re.compile(r"([a-z])[\u0300-\u036f]+")
_EXTENSION = re.compile(r"\.(png|jpe?g|gif|svg|webp)$", re.IGNORECASE)


def plain_text(markdown: str) -> str:
    """Return the words of a markdown string: no pictures, links, tags, emphasis or line breaks.

    A string that is only pictures yields their alternative texts, without file extensions.

    Examples
    --------
    >>> plain_text("![rounded.png](https://example.org/1.png) **Smooth**")
    'Smooth'
    >>> plain_text("![rounded.png](https://example.org/1.png)")
    'rounded'
    """
    words = _IMAGE.sub(" ", markdown)
    if not re.search(r"\w", words):
        names = [_EXTENSION.sub("", name.strip()) for name in _IMAGE.findall(markdown)]
        words = " ".join([*names, words])
    words = _TAG.sub(" ", _LINK.sub(r"\1", words))
    return " ".join(_MARKUP.sub(" ", words).split())


def slug(text: str) -> str:
    """Return `text` as lower-case words joined by hyphens; empty when it holds none.

    Accents on Latin letters are dropped, letters of other scripts kept; an underscore becomes a
    hyphen, so that the one underscore of a label column always separates question and answer.

    Examples
    --------
    >>> slug("Can't tell (é)!")
    'cant-tell-e'
    """
    decomposed = unicodedata.normalize("NFKD", plain_text(text)).casefold()
    letters = unicodedata.normalize("NFC", _ACCENTS.sub(r"\1", decomposed))
    return re.sub(r"[\W_]+", "-", re.sub(r"['’`]", "", letters)).strip("-")


def resolve_strings(tasks: Mapping[str, Any], strings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Put the text of `strings` where exported tasks hold only a key such as ``T0.question``.

    Workflow exports and workflow versions split the text from the tasks; the live workflow
    resource has it in place already, so tasks without keys come back as they are.

    Raises
    ------
    BadInput
        When a task holds its own string key and `strings` has no such entry.
    """
    strings = strings or {}

    def resolve(value: object, path: str) -> object:
        if isinstance(value, Mapping):
            return {key: resolve(item, f"{path}.{key}") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [resolve(item, f"{path}.{index}") for index, item in enumerate(value)]
        if not isinstance(value, str) or "." not in value:
            return value
        for key in (value, f"tasks.{value}"):  # translations write the longer form
            if key in strings:
                return strings[key] or ""
        if value == path:
            raise BadInput(
                f"workflow task string {path!r}: expected its text among the workflow's strings; "
                "read the tasks together with the strings of the same version"
            )
        return value

    return {str(key): resolve(task, str(key)) for key, task in tasks.items()}
