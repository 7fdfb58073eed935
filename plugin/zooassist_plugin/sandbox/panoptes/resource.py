"""How does a kind of resource become routes? A record of functions, and doors for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from flask import Blueprint, Response, request
from sqlalchemy import ColumnElement, func, select

from zooassist_plugin.sandbox.addresses import base_url
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    as_ids,
    check_etag,
    enforce_conventions,
    read_envelope,
    read_json,
)
from zooassist_plugin.sandbox.panoptes.envelope import answer, etag_of, page_meta, paging
from zooassist_plugin.sandbox.panoptes.tables import Entity
from zooassist_plugin.sandbox.problems import ApiError

Row = TypeVar("Row", bound=Entity)
Clause = ColumnElement[bool]


@dataclass(frozen=True)
class LinkDoor(Generic[Row]):
    """How ``/:id/links/<name>`` adds and removes; None is a link that cannot be changed so."""

    add: Callable[[Call, Row, list[int]], None]
    remove: Callable[[Call, Row, list[int]], None] | None = None


@dataclass(frozen=True)
class Includable(Generic[Row]):
    """What ``include=<name>`` adds that no link to another resource leads to.

    Attributes
    ----------
    kind : str
        Its key in the answer's ``linked``.
    load : callable
        Rows of the answer to JSON of what belongs to them.
    """

    kind: str
    load: Callable[[Call, Sequence[Row]], list[Body]]


@dataclass(frozen=True)
class Resource(Generic[Row]):
    """One kind of resource.

    Attributes
    ----------
    visible, editable : callable
        Clauses for the rows that the caller may read, and change or delete.
    represent : callable
        Rows to JSON, all of a page at once so that nothing is loaded row by row.
    link_types : mapping
        Link name to resource name, for the envelope's templates and for ``include``.
    counted : bool
        Whether pages tell the total; large tables of Panoptes do not.
    """

    name: str
    singular: str
    table: type[Row]
    visible: Callable[[Call], Clause]
    represent: Callable[[Call, Sequence[Row]], list[Body]]
    editable: Callable[[Call], Clause] | None = None
    link_types: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, Callable[[Call, str], Clause]] = field(default_factory=dict)
    sorts: Mapping[str, Any] = field(default_factory=dict)
    create: Callable[[Call, Body], Row] | None = None
    # What a creation answers, when that differs from reading (subjects: the upload URLs).
    represent_created: Callable[[Call, Sequence[Row]], list[Body]] | None = None
    update: Callable[[Call, Row, Body], None] | None = None
    delete: Callable[[Call, Row], None] | None = None
    links: Mapping[str, LinkDoor[Row]] = field(default_factory=dict)
    includable: Mapping[str, Includable[Row]] = field(default_factory=dict)
    page_limit: int = 100
    counted: bool = True

    def find(self, call: Call, row_id: int) -> Row:
        """Return one readable row, or 404."""
        return self._one(call, row_id, self.visible(call), lock=False)

    def find_editable(self, call: Call, row_id: int) -> Row:
        """Return one row that the caller may change, locked; 401 anonymous, 404 otherwise."""
        if self.editable is None:
            raise ApiError(405, f"{self.name} cannot be changed")
        return self._one(call, row_id, self.editable(call), lock=True)

    def _one(self, call: Call, row_id: int, clause: Clause, lock: bool) -> Row:
        query = select(self.table).where(self.table.id == row_id, clause)
        row = call.session.scalars(query.with_for_update() if lock else query).first()
        if row is None:
            raise ApiError(404, f"Could not find {self.singular} with id='{row_id}'")
        return row


Registry = Mapping[str, Resource[Any]]


def _order(resource: Resource[Any]) -> list[Any]:
    order = []
    for key in request.args.get("sort", "").split(","):
        column = resource.sorts.get(key.lstrip("-+"))
        if column is not None:
            order.append(column.desc() if key.startswith("-") else column.asc())
    return [*order, resource.table.id.asc()]


def _linked(
    call: Call,
    registry: Registry,
    resource: Resource[Any],
    rows: Sequence[Any],
    items: Sequence[Body],
) -> dict[str, list[Body]]:
    """Load what ``include=a,b`` asks for, once per linked type."""
    wanted: dict[str, set[int]] = {}
    linked: dict[str, list[Body]] = {}
    for name in request.args.get("include", "").split(","):
        extra = resource.includable.get(name)
        if extra is not None:
            linked[extra.kind] = extra.load(call, rows)
        kind = resource.link_types.get(name)
        if kind is None or kind not in registry:
            continue
        for item in items:
            value = item.get("links", {}).get(name)
            values = value if isinstance(value, list) else [value]
            for one in values:
                identifier = one.get("id") if isinstance(one, dict) else one
                if identifier is not None:
                    wanted.setdefault(kind, set()).add(int(identifier))
    for kind, numbers in wanted.items():
        other = registry[kind]
        found = call.session.scalars(
            select(other.table)
            .where(other.table.id.in_(numbers), other.visible(call))
            .order_by(other.table.id)
        ).all()
        linked[kind] = other.represent(call, found)
    return linked


def index(
    call: Call, registry: Registry, resource: Resource[Any], clauses: Sequence[Clause] = ()
) -> Response:
    """Answer one page of the readable rows that match the request's filters."""
    conditions = [resource.visible(call), *clauses]
    if request.args.get("id"):
        conditions.append(resource.table.id.in_(as_ids(request.args["id"], "id")))
    for name, make in resource.filters.items():
        value = request.args.get(name)
        if value is not None:
            conditions.append(make(call, value))
    page, page_size = paging(resource.page_limit)
    count = None
    if resource.counted:
        count = call.session.scalar(
            select(func.count()).select_from(resource.table).where(*conditions)
        )
    rows = call.session.scalars(
        select(resource.table)
        .where(*conditions)
        .order_by(*_order(resource))
        .offset((page - 1) * page_size)
        .limit(page_size)
    ).all()
    items = resource.represent(call, rows)
    return answer(
        resource.name,
        items,
        links=resource.link_types,
        meta=page_meta(page, page_size, count, len(rows)),
        linked=_linked(call, registry, resource, rows, items),
    )


def show(call: Call, registry: Registry, resource: Resource[Any], row: Entity) -> Response:
    """Answer one resource with its ETag."""
    items = resource.represent(call, [row])
    return answer(
        resource.name,
        items,
        links=resource.link_types,
        meta=page_meta(1, 20, 1, 1),
        linked=_linked(call, registry, resource, [row], items),
        etag=etag_of(row),
    )


def _create(call: Call, resource: Resource[Any]) -> Response:
    if resource.create is None:
        raise ApiError(405, f"{resource.name} cannot be created")
    rows = [resource.create(call, body) for body in read_envelope(resource.name)]
    call.session.flush()
    items = (resource.represent_created or resource.represent)(call, rows)
    response = answer(
        resource.name, items, links=resource.link_types, etag=etag_of(rows[0]), status=201
    )
    base = base_url(call.sandbox.config)
    response.headers["Location"] = f"{base}/api/{resource.name}/{rows[0].id}"
    return response


def _update(call: Call, registry: Registry, resource: Resource[Any], row_id: int) -> Response:
    row = resource.find_editable(call, row_id)
    check_etag(etag_of(row))
    if resource.update is None:
        raise ApiError(405, f"{resource.name} cannot be changed")
    resource.update(call, row, read_envelope(resource.name)[0])
    row.touch(call.now)
    call.session.flush()
    return show(call, registry, resource, row)


def _delete(call: Call, resource: Resource[Any], row_id: int) -> Response:
    row = resource.find_editable(call, row_id)
    check_etag(etag_of(row))
    if resource.delete is None:
        raise ApiError(405, f"{resource.name} cannot be deleted")
    resource.delete(call, row)
    return Response(status=204)


def _door(resource: Resource[Any], link: str) -> LinkDoor[Any]:
    door = resource.links.get(link)
    if door is None:
        raise ApiError(422, f"{resource.name} has no link {link!r} that can be changed")
    return door


def resources_blueprint(sandbox: Sandbox, registry: Registry) -> Blueprint:
    """Return the routes that all kinds of resource share."""
    kinds = ", ".join(registry)
    blueprint = Blueprint("resources", __name__, url_prefix=f"/api/<any({kinds}):kind>")

    @blueprint.get("")
    def list_rows(kind: str) -> Response:
        with open_call(sandbox) as call:
            return index(call, registry, registry[kind])

    @blueprint.get("/<row_ids>")
    def show_row(kind: str, row_ids: str) -> Response:
        resource = registry[kind]
        with open_call(sandbox) as call:
            if "," in row_ids:
                clause = resource.table.id.in_(as_ids(row_ids))
                return index(call, registry, resource, [clause])
            if not (row_ids.isascii() and row_ids.isdigit()):
                raise ApiError(404, f"Could not find {resource.singular} with id={row_ids!r}")
            return show(call, registry, resource, resource.find(call, as_id(row_ids)))

    @blueprint.post("")
    def create_row(kind: str) -> Response:
        with open_call(sandbox) as call:
            return _create(call, registry[kind])

    @blueprint.put("/<int:row_id>")
    def update_row(kind: str, row_id: int) -> Response:
        with open_call(sandbox) as call:
            return _update(call, registry, registry[kind], as_id(row_id))

    @blueprint.delete("/<int:row_id>")
    def delete_row(kind: str, row_id: int) -> Response:
        with open_call(sandbox) as call:
            return _delete(call, registry[kind], as_id(row_id))

    @blueprint.post("/<int:row_id>/links/<link>")
    def add_links(kind: str, row_id: int, link: str) -> Response:
        resource = registry[kind]
        with open_call(sandbox) as call:
            row = resource.find_editable(call, as_id(row_id))
            value = read_json().get(link)
            if value is None:
                raise ApiError(422, f"param is missing or the value is empty: {link}")
            _door(resource, link).add(call, row, as_ids(value, link))
            row.touch(call.now)
            call.session.flush()
            return show(call, registry, resource, row)

    @blueprint.delete("/<int:row_id>/links/<link>/<link_ids>")
    def remove_links(kind: str, row_id: int, link: str, link_ids: str) -> Response:
        resource = registry[kind]
        with open_call(sandbox) as call:
            row = resource.find_editable(call, as_id(row_id))
            remove = _door(resource, link).remove
            if remove is None:
                raise ApiError(405, f"links to {link} cannot be removed")
            remove(call, row, as_ids(link_ids, link))
            row.touch(call.now)
            return Response(status=204)

    @blueprint.route("/<int:row_id>", methods=["PATCH"])
    def patch_row(kind: str, row_id: int) -> Response:
        raise ApiError(501, f"PATCH {kind} is not implemented; send PUT with If-Match")

    return enforce_conventions(blueprint)
