"""The command `zooassist predict`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import click

from zooassist_plugin.output_paths import check_output_file
from zooassist_plugin.progress import tracked
from zooassist_serving.dataplane import BATCH_SIZE, DataPlane
from zooassist_serving.image_arguments import find_images
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.predictions import PREDICTIONS_SUFFIX, PredictionWriter
from zooassist_serving.preprocessing import MAX_PIXELS


@click.command(
    epilog="""\b
Examples:
  zooassist predict galaxy-zoo images/ --out predictions.parquet
  zooassist predict models/next 'cutouts/**/*.jpg' --out next.parquet --embedding
  find images -name '*.png' | zooassist predict galaxy-zoo - --out predictions.parquet"""
)
@click.argument("model")
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The parquet file to write, one row per image.",
)
@click.option("--embedding", is_flag=True, help="Keep the model's features of every image.")
@click.option(
    "--batch-size",
    default=BATCH_SIZE,
    show_default=True,
    type=click.IntRange(1),
    help="Images per run of the graph.",
)
@click.option("--threads", type=click.IntRange(1), help="Processor threads. Default: all cores.")
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    type=click.Choice(["cpu", "cuda"]),
    help="Where the graph runs; cuda needs zooassist[gpu].",
)
@click.option(
    "--max-pixels",
    default=MAX_PIXELS,
    show_default=True,
    type=click.IntRange(1),
    help="Images with more pixels are refused.",
)
def predict(
    model: str,
    images: tuple[str, ...],
    out: Path,
    embedding: bool,
    batch_size: int,
    threads: int | None,
    device: str,
    max_pixels: int,
) -> None:
    """Predict local IMAGES with MODEL (a model folder or a bundled name).

    IMAGES are files, folders (read recursively), patterns, or - for a list on standard input. An
    image that fails is a row with an error; then the exit code is 1.
    """
    # Pillow remarks on odd metadata; what matters becomes an error of its image.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    check_output_file(out, PREDICTIONS_SUFFIX)
    folder = load_model_folder(model)
    plane = DataPlane(
        [folder], threads=threads, device=device, batch_size=batch_size, max_pixels=max_pixels
    )
    # Bytes: a file name is whatever the file system holds, text or not.
    items = find_images(images, sys.stdin.buffer)
    rows = plane.predict(folder.card.name, items)
    failed: list[str] = []
    with PredictionWriter(out, folder.card, embedding=embedding) as writer:
        for row in tracked(rows, "predict", len(items)):
            writer.write(row)
            if row.error is not None:
                failed.append(f"{row.item}: {row.error}")
    for line in failed:
        click.echo(f"error: {line}", err=True)
    click.echo(f"{out}: {len(items) - len(failed)} of {len(items)} images predicted")
    if failed:
        sys.exit(1)
