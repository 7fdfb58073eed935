"""What does an answer of /api look like? Envelope, links, meta with pages, ETag, string ids."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from zooassist_plugin.sandbox.panoptes.conventions import Body
from zooassist_plugin.sandbox.panoptes.tables import Entity

DEFAULT_PAGE_SIZE = 20


def stamp(moment: datetime | None) -> str | None:
    """Format a moment as Panoptes does: ``2026-06-01T10:00:00.000Z``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ids(numbers: Sequence[int]) -> list[str]:
    """Return identifiers as the strings that JSON carries."""
    return [str(number) for number in numbers]


def etag_of(row: Entity) -> str:
    """Return the ETag of one resource: it changes with every change of the row."""
    text = f"{row.__tablename__}/{row.id}/{row.revision}"
    return f'W/"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"'


def paging(page_limit: int) -> tuple[int, int]:
    """Return (page, page_size) of the present request; sizes are cut at `page_limit`."""

    def number(name: str, default: int) -> int:
        text = request.args.get(name, "")
        return max(int(text), 1) if text.isascii() and text.isdigit() else default

    # A page number beyond any table would overflow the database's OFFSET.
    page = min(number("page", 1), 10**9)
    return page, min(number("page_size", DEFAULT_PAGE_SIZE), page_limit)


def _href(page: int | None) -> str | None:
    if page is None:
        return None
    path = request.path.removeprefix("/api").rstrip("/")
    arguments = [(key, value) for key, value in request.args.items(multi=True) if key != "page"]
    return f"{path}?{urlencode([*arguments, ('page', page)])}"


def page_meta(page: int, page_size: int, count: int | None, rows: int) -> Body:
    """Build the paging block; `count` None is a resource that Panoptes does not count."""
    if count is None:
        pages, following = 0, page + 1 if rows else None
    else:
        pages = -(-count // page_size)
        following = page + 1 if page < pages else None
    previous = page - 1 if page > 1 else None
    return {
        "page": page,
        "page_size": page_size,
        "count": count or 0,
        "page_count": pages,
        "include": [name for name in request.args.get("include", "").split(",") if name],
        "first_href": _href(1),
        "previous_href": _href(previous),
        "next_href": _href(following),
        "last_href": _href(max(pages, 1)),
        "previous_page": previous,
        "next_page": following,
    }


def answer(
    name: str,
    items: Sequence[Body],
    *,
    links: Mapping[str, str] | None = None,
    meta: Body | None = None,
    linked: Mapping[str, Any] | None = None,
    etag: str | None = None,
    status: int = 200,
) -> Response:
    """Wrap resources in their envelope.

    Parameters
    ----------
    links : mapping
        Link name to linked type: becomes the URL templates of the envelope.
    etag : str
        The resource's own; without it the answer carries the page's, which fits no member.
    """
    templates = {
        f"{name}.{link}": {"href": f"/{kind}/{{{name}.{link}}}", "type": kind}
        for link, kind in (links or {}).items()
    }
    body: Body = {name: list(items), "links": templates}
    if linked:
        body["linked"] = dict(linked)
    body["meta"] = {name: meta} if meta is not None else {}
    response = jsonify(body)
    response.status_code = status
    if etag is None:
        etag = f'W/"{hashlib.md5(response.get_data(), usedforsecurity=False).hexdigest()}"'
    response.headers["ETag"] = etag
    return response
