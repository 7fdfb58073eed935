"""The command `zooassist predict`."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import click

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.output_paths import check_output_file
from zooassist_plugin.progress import stages
from zooassist_serving.catalogue.formats import FORMATS, format_for
from zooassist_serving.catalogue.formats.output_format import Format, Options
from zooassist_serving.catalogue.parts import Parts
from zooassist_serving.catalogue.reading import FETCHERS, Reader
from zooassist_serving.catalogue.run import PART_ROWS, Work, join, predict_into_parts
from zooassist_serving.catalogue.source import Source
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.masks.predict import MaskFolders, predict_masks, volumes_of
from zooassist_serving.model_folder import ModelFolder, load_model_folder
from zooassist_serving.preprocessing import MAX_PIXELS
from zooassist_serving.runtime import usable_cores

# Kinds of models that draw masks.
DRAWN = ("mask", "volume")
# Enough for a graph on a processor to be at its best, and little memory.
BATCH_SIZE = 64


@click.command(
    epilog="""\b
Examples:
  zooassist predict galaxy-zoo images/ --out predictions.parquet
  zooassist predict models/next 'cutouts/**/*.jpg' --out next.parquet --embedding
  zooassist predict models/next survey.csv --image-column cutout --out survey.parquet
  zooassist predict galaxy-zoo manifest.json --format kade-json --out predictions.json
  zooassist predict models/cells images/ --out cells.parquet --masks masks/
  zooassist predict models/scans scans/ --out scans.parquet --masks masks/ --realness realness/
  find images -name '*.png' | zooassist predict galaxy-zoo - --out predictions.parquet"""
)
@click.argument("model")
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The file to write, one row per image.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="What to write. Default: as the name of --out ends.",
)
@click.option(
    "--image-column",
    help="Column of paths or URLs in the tables among IMAGES. Default: by its name.",
)
@click.option(
    "--masks",
    type=click.Path(path_type=Path),
    help="mask, volume: folder for label maps, PNG or a tiff stack per volume.",
)
@click.option(
    "--probabilities",
    type=click.Path(path_type=Path),
    help="volume: folder for probabilities of any class, as stacks.",
)
@click.option(
    "--realness",
    type=click.Path(path_type=Path),
    help="volume: folder for the discriminator's scores, as stacks.",
)
@click.option("--embedding", is_flag=True, help="Keep the model's features of every image.")
@click.option(
    "--featured-bound",
    default=0.2,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="kade-json: vote fraction from which a galaxy counts as featured.",
)
@click.option(
    "--resume/--restart",
    default=None,
    help="Go on with a run that was stopped, or throw it away. Default: go on if there is one of "
    "the same model, format and images.",
)
@click.option("--overwrite", is_flag=True, help="Replace --out where it exists.")
@click.option(
    "--batch-size",
    default=BATCH_SIZE,
    show_default=True,
    type=click.IntRange(1, PART_ROWS),
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
    "--fetchers",
    default=FETCHERS,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Images in flight at once, where they are URLs.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    help="Larger files are not fetched from URLs. Default: 100 MiB.",
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
    form: str | None,
    image_column: str | None,
    masks: Path | None,
    probabilities: Path | None,
    realness: Path | None,
    embedding: bool,
    featured_bound: float,
    resume: bool | None,
    overwrite: bool,
    batch_size: int,
    threads: int | None,
    device: str,
    fetchers: int,
    max_bytes: int | None,
    max_pixels: int,
) -> None:
    """Predict IMAGES with MODEL (a model folder or a bundled name).

    IMAGES are files, folders (read recursively), patterns, URLs, tables (.csv, .tsv, .parquet) with
    a column of paths or URLs, KaDE's manifests (.json), or - for a list on standard input. For a
    model of volumes: NIfTI files, tiff stacks, folders of slices, and folders of these. An image
    that fails is a row with an error; then the exit code is 1. A run that was stopped goes on where
    it was when it is started again.
    """
    # Readers remark on odd metadata; what matters becomes an error of its image.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    kind = format_for(out, form)
    if out.exists() and not overwrite:
        raise BadInput(f"{out}: exists already; replace it with --overwrite, or name another file")
    folder = load_model_folder(model)
    card = folder.card
    folders = MaskFolders(masks, probabilities, realness)
    if card.kind in DRAWN:
        if embedding or resume is not None:
            raise BadInput(f"--embedding, --resume: a model of kind {card.kind!r} has neither")
        limits = Limits(image_column, threads, device, max_pixels, fetchers, max_bytes)
        _draw(folder, images, out, folders, limits)
        return
    if folders != MaskFolders():
        raise BadInput(
            f"--masks, --probabilities, --realness: model {card.name} is of kind {card.kind!r} and "
            "draws none; choose a model of kind 'mask' or 'volume'"
        )
    # Bytes: a file name is whatever the file system holds, text or not.
    source = Source(images, sys.stdin.buffer, image_column)
    chosen = kind(
        card,
        Options(
            embedding=_features(card) if embedding else None,
            with_ids=source.has_ids,
            featured_bound=featured_bound,
        ),
    )
    workers = threads or usable_cores()
    # Several batches at once with one thread each leave no thread waiting for another.
    plane = DataPlane(
        [folder], threads=1, device=device, batch_size=batch_size, max_pixels=max_pixels
    )
    work = Work(plane, card.name, source, chosen, workers, _unit(source, workers, batch_size))
    with (
        Parts(out, _identity(card, chosen), resume) as parts,
        Reader(fetchers, max_bytes) as reader,
    ):
        with stages() as show:
            resumed = predict_into_parts(work, parts, reader, show)
        outcome = join(parts, chosen, out, resumed, _report)
    for remark in outcome.remarks:
        click.echo(f"note: {remark}", err=True)
    if outcome.resumed:
        click.echo(f"{outcome.resumed} of them by the earlier run")
    click.echo(f"{out}: {outcome.rows - outcome.failed} of {outcome.rows} images predicted")
    if outcome.failed:
        sys.exit(1)


@dataclass(frozen=True)
class Limits:
    """How images of a drawing are got and seen."""

    image_column: str | None
    threads: int | None
    device: str
    max_pixels: int
    fetchers: int
    max_bytes: int | None


def _draw(
    folder: ModelFolder,
    images: tuple[str, ...],
    out: Path,
    folders: MaskFolders,
    limits: Limits,
) -> None:
    """Draw masks: one image, or some slices of one volume, at a time."""
    check_output_file(out, ".parquet")
    card = folder.card
    plane = DataPlane(
        [folder], threads=limits.threads, device=limits.device, max_pixels=limits.max_pixels
    )
    with Reader(limits.fetchers, limits.max_bytes) as reader:
        items: list[Path] | list[Item]
        if card.kind == "volume":
            items = volumes_of(images)
        else:
            if folders.probabilities is not None or folders.realness is not None:
                raise BadInput(
                    "--probabilities, --realness: these are of volumes; leave them out for images"
                )
            source = Source(images, sys.stdin.buffer, limits.image_column)
            items = reader.items(list(source.rows()))
        count, failed = predict_masks(plane, card.name, items, out, folders, _report)
    what = "volumes" if card.kind == "volume" else "images"
    click.echo(f"{out}: {count - failed} of {count} {what} drawn")
    if failed:
        sys.exit(1)


def _report(line: str) -> None:
    click.echo(f"error: {line}", err=True)


def _features(card: ModelCard) -> int:
    spec = card.output("embedding")
    if spec is None or not isinstance(spec.shape[-1], int):
        raise BadInput(f"model {card.name}: has no embedding; leave out --embedding")
    return spec.shape[-1]


def _unit(source: Source, workers: int, batch_size: int) -> int:
    """Share a short list among the threads, even where that makes batches small."""
    if source.total is None:
        return batch_size
    return max(1, min(batch_size, -(-source.total // workers)))


def _identity(card: ModelCard, form: Format) -> dict[str, str | int | bool | None]:
    """Say what all parts of a run have in common; see `Parts`."""
    return {
        "model": card.name,
        "model_version": card.version,  # of graph, preprocessing and calibration
        "columns": "summary" if form.summarised else "concentrations",
        "embedding": form.options.embedding,
        "part_rows": PART_ROWS,
    }
