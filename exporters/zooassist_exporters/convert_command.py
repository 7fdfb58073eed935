"""The command `zooassist export convert`: training sets to other tools' formats and back."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from zooassist_exporters.splits import SPLITS, Split

# The names in `zooassist_exporters.formats.FORMATS`, whose modules are only imported on use; a
# test compares the two.
NAMES = (
    "coco",
    "yolo-detect",
    "yolo-segment",
    "voc",
    "png-masks",
    "image-folder",
    "huggingface",
    "zoobot",
    "kade",
    "hamlet",
    "csv",
    "parquet",
)


@click.command(
    short_help="To COCO, YOLO, Hugging Face, ... and back.",
    epilog="Example: zooassist export convert my-set --to coco --out my-coco; and back: "
    "zooassist export convert my-coco --from coco --out my-set-again",
)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--to", "to", type=click.Choice(NAMES), help="Write the training set SOURCE so.")
@click.option("--from", "from_", type=click.Choice(NAMES), help="Make a training set of SOURCE.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to make.")
@click.option("--question", help="Class of a picture: its majority's answer to this question.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    type=click.Choice(SPLITS),
    help="Only this split; may be repeated.  [default: all]",
)
@click.option(
    "--copy", "images", flag_value="copy", default="copy", help="Copy the images.  [default]"
)
@click.option("--link", "images", flag_value="link", help="Make hard links to the images.")
@click.option("--no-images", "images", flag_value="none", help="Leave the images where they are.")
@click.option(
    "--objects",
    type=click.Choice(["marks", "masks"]),
    help="Take objects from there.  [default: marks, where there are any]",
)
@click.option(
    "--marks",
    "behind",
    type=click.Choice(["consensus", "volunteers", "all"]),
    help="Which marks.  [default: the consensus, where there is one]",
)
@click.option("--prefix", help="Folder or address that catalogues put before an image's name.")
@click.option("--bucket", help="Bucket and folder in Hamlet's labels: gs://bucket/folder.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier conversion made at --out.")
def convert(
    source: Path,
    to: str | None,
    from_: str | None,
    out: Path,
    question: str | None,
    splits: tuple[Split, ...],
    images: str,
    objects: str | None,
    behind: str | None,
    prefix: str | None,
    bucket: str | None,
    overwrite: bool,
) -> None:
    """Write the training set SOURCE in the format of another tool, or read one back."""
    if (to is None) == (from_ is None):
        raise click.UsageError("give either --to FORMAT or --from FORMAT")
    from zooassist_exporters import conversion
    from zooassist_exporters.formats.format import Behind, Images, Objects, Options

    if from_ is not None:
        made = conversion.convert_back(source, from_, out, overwrite=overwrite)
    else:
        options = Options(
            question=question,
            splits=tuple(split for split in SPLITS if split in splits) or SPLITS,
            images=next(each for each in get_args(Images) if each == images),
            objects=next((each for each in get_args(Objects) if each == objects), None),
            behind=next((each for each in get_args(Behind) if each == behind), None),
            prefix=prefix,
            bucket=bucket,
        )
        made = conversion.convert(source, str(to), out, options, overwrite=overwrite)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    made_of = "" if to is None else f"{to}, made of "
    click.echo(f"{made.out}: {made_of}{made.subjects:,} subjects")
