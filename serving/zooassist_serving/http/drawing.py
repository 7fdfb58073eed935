"""How is a mask answered? As COCO run lengths in JSON, or as a label map in a PNG."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from flask import Request, Response
from PIL import Image

from zooassist_plugin.errors import BadInput, ZooassistError
from zooassist_plugin.stacks.opening import ENDINGS, ending_of
from zooassist_serving.dataplane import Item
from zooassist_serving.http.problems import Problem
from zooassist_serving.mask_proposer import FrameMask, read_probabilities
from zooassist_serving.mask_tiles import mask_classes
from zooassist_serving.masks.label_maps import label_map
from zooassist_serving.served_model import ServedModel

DRAWN: Final = ("mask", "volume")
PNG: Final = "image/png"


def wants_png(request: Request) -> bool:
    """Whether the client asks for a label map rather than JSON."""
    best = request.accept_mimetypes.best_match(["application/json", "application/x-ndjson", PNG])
    return best == PNG


def draw_png(model: ServedModel, items: Sequence[Item]) -> Response:
    """Answer with the label map of one image: the class's number at each pixel, 0 for none.

    Raises
    ------
    Problem
        406 for several images, or a volume.
    """
    if model.card.kind != "mask" or len(items) != 1:
        raise Problem(
            HTTPStatus.NOT_ACCEPTABLE,
            "expected one image for a PNG answer, got "
            + (f"{len(items)} images" if model.card.kind == "mask" else "a volume")
            + "; accept application/json",
        )
    labels = label_map(model.draw(items[0]).probabilities, model.card)
    buffer = io.BytesIO()
    Image.fromarray(labels).save(buffer, "PNG")
    response = Response(buffer.getvalue(), content_type=PNG)
    response.headers["X-Model-Version"] = model.card.version
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def mask_rows(
    model: ServedModel, items: Sequence[Item], _name: str | None
) -> Iterator[dict[str, Any]]:
    """Draw images one by one: masks are large."""
    classes = mask_classes(model.card)
    for item in items:
        try:
            found = model.draw(item).probabilities
        except ZooassistError as error:
            yield _row(model, item, item.frame, None, str(error))
        else:
            yield _row(model, item, item.frame, read_probabilities(found, classes, item.frame))


def volume_rows(
    model: ServedModel, items: Sequence[Item], name: str | None
) -> Iterator[dict[str, Any]]:
    """Draw volumes, one row per slice; a file's name says what it is (``?name=scan.nii.gz``).

    Raises
    ------
    Problem
        415 when the name has none of the endings of volumes.
    """
    endings = [ending_of(Path(Path(name or item.name).name)) for item in items]
    if None in endings:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"expected a volume whose name ends with {', '.join(ENDINGS)}, got "
            f"{(name or items[endings.index(None)].name)[:100]!r}; upload it as a form, or name it "
            "in the address: ?name=scan.nii.gz",
        )
    return _volume_rows(model, items, [str(ending) for ending in endings])


def _volume_rows(
    model: ServedModel, items: Sequence[Item], endings: Sequence[str]
) -> Iterator[dict[str, Any]]:
    classes = mask_classes(model.card)
    for item, ending in zip(items, endings, strict=True):
        with tempfile.TemporaryDirectory(prefix="zooassist-") as folder:
            path = Path(folder) / f"volume{ending}"
            try:
                path.write_bytes(_bytes_of(item))
                for slices in model.draw_volume(path):
                    for place, probabilities in enumerate(slices.probabilities):
                        frame = slices.start + place
                        found = read_probabilities(probabilities, classes, frame)
                        yield _row(model, item, frame, found)
            except ZooassistError as error:
                # Without the name of our own file.
                yield _row(model, item, 0, None, str(error).replace(str(path), item.name))


def _bytes_of(item: Item) -> bytes:
    try:
        return item.data if isinstance(item.data, bytes) else item.data()
    except OSError as error:
        raise BadInput(f"{item.name}: cannot be read: {error.strerror}; try again") from error


def _row(
    model: ServedModel,
    item: Item,
    frame: int,
    found: FrameMask | None,
    error: str | None = None,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image": None if item.subject_id is not None else item.name,
        "subject_id": item.subject_id,
        "frame": frame,
        "model": model.card.name,
        "model_version": model.card.version,
        "error": error,
    }
    if found is not None:
        row |= {
            "uncertainty": found.uncertainty,
            "confidence": min(1.0, found.confidence),
            "masks": [each.model_dump(mode="json") for each in found.masks],
        }
    return row
