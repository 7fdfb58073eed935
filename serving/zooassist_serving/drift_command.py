"""The command `zooassist drift`: what does a model say of the images it learnt from?"""

from __future__ import annotations

import os
import sys
from itertools import chain, islice
from pathlib import Path

import click
import numpy as np

from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import check_output_file
from zooassist_plugin.progress import stages
from zooassist_serving.catalogue.reading import Reader
from zooassist_serving.catalogue.source import Source
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.drift import REFERENCE_FILE, Moments, Reference, Running, numbers_of
from zooassist_serving.model_folder import load_model_folder

CHUNK = 64
"""Rows whose images are fetched ahead, where they are URLs."""


@click.command(
    epilog="""\b
Examples:
  zooassist drift models/next training-set/images/
  zooassist drift galaxy-zoo images/ --out galaxy-zoo-reference.json"""
)
@click.argument("model")
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The file to write. Default: {REFERENCE_FILE} in the model folder.",
)
def drift(model: str, images: tuple[str, ...], out: Path | None) -> None:
    """Write down what MODEL says of IMAGES, for `serve` to compare its predictions with.

    IMAGES are those of the training set, as for `zooassist predict`. An image that fails is left
    out, with a line that says why; then the exit code is 1.
    """
    folder = load_model_folder(model)
    target = out or folder.path / REFERENCE_FILE
    check_output_file(target, ".json")
    plane = DataPlane([folder])
    said, features = Running(), Running()
    columns = (*folder.card.answers.columns, "uncertainty")
    failed = 0
    source = Source(images, sys.stdin.buffer, None)
    with Reader() as reader, stages() as progress:
        rows = source.rows()
        chunks = iter(lambda: list(islice(rows, CHUNK)), [])
        items = chain.from_iterable(reader.items(chunk) for chunk in chunks)
        for prediction in plane.predict(folder.card.name, items):
            numbers = numbers_of(prediction)
            if numbers is None:
                click.echo(f"error: {prediction.item}: {prediction.error}", err=True)
                failed += 1
                continue
            said.add(numbers)
            if prediction.embedding is not None:
                features.add(np.asarray(prediction.embedding, dtype=np.float64))
            progress("look at images", said.count + failed, source.total)
    if said.count < 2:
        raise BadInput(f"expected two images at least, got {said.count} that could be predicted")
    reference = Reference(
        version=folder.card.version,
        images=said.count,
        predictions=dict(zip(columns, _moments(said), strict=True)),
        embedding=tuple(_moments(features)) if features.count else (),
    )
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text(reference.to_json(), encoding="utf-8")
    temporary.replace(target)
    click.echo(f"{target}: {said.count} images")
    if failed:
        sys.exit(1)


def _moments(running: Running) -> list[Moments]:
    pairs = zip(running.mean.tolist(), running.deviation.tolist(), strict=True)
    return [Moments(mean=mean, std=std) for mean, std in pairs]
