"""How do a CSV of votes and a folder of images become a training set?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from zooassist_exporters.image_zip import ZipImages
from zooassist_exporters.images import FolderImages, ImageSource, Wanted, stage_images
from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_exporters.training_set_writer import check_free, staging_folder
from zooassist_exporters.votes_csv import VotesTable
from zooassist_exporters.votes_export import VotesReport
from zooassist_plugin.errors import BadInput
from zooassist_plugin.progress import Start, silent

IMAGES_ZIP: Final = "images.zip"


@contextmanager
def open_images(images: Path | None, votes_csv: Path) -> Iterator[ImageSource]:
    """Open a folder or a zip of images; by default ``images.zip`` or the folder of the CSV.

    Raises
    ------
    BadInput
        When there is no such folder or archive.
    """
    beside = votes_csv.parent / IMAGES_ZIP
    path = images or (beside if beside.is_file() else votes_csv.parent)
    if path.is_dir():
        yield FolderImages(path)
        return
    if not path.is_file():
        raise BadInput(f"{path}: expected a folder or a zip of images, found none")
    with ZipImages(path) as archive:
        yield archive


def export_votes_table(
    table: VotesTable,
    out: Path,
    images: ImageSource | None,
    *,
    overwrite: bool = False,
    progress: Start = silent,
) -> VotesReport:
    """Write a training set from a CSV of votes.

    Totals that the CSV did not hold are recorded as assumed in the options of the set.

    Raises
    ------
    BadInput
        When the table has no row that can be used, or `out` exists.
    """
    check_free(out, overwrite)
    if not table.subject_ids:
        raise BadInput(f"{table.source.name}: expected rows of votes, none can be used")
    paths = {}
    if images is not None:
        wanted = (
            Wanted(subject, {}, (file,) if file else ())
            for subject, file in zip(table.subject_ids, table.files, strict=True)
        )
        done = progress("images", len(table.subject_ids))
        paths = dict(stage_images(wanted, images, staging_folder(out), table.problems, done).paths)
    rows = [
        SubjectRow(subject, paths.get(subject), metadata=metadata)
        for subject, metadata in zip(table.subject_ids, table.metadata, strict=True)
    ]
    write_training_set(
        out,
        rows,
        table.counts,
        table.schema,
        totals=table.totals,
        sources=[table.source],
        options=_options(table),
        overwrite=overwrite,
    )
    return VotesReport(
        out=out,
        subjects=len(rows),
        images=len(paths),
        classifications=0,
        votes=int(table.counts.sum()),
        dropped=Counter(),
        problems=table.problems,
    )


def _options(table: VotesTable) -> dict[str, Any]:
    options: dict[str, Any] = {
        "command": "export training-set",
        "votes_form": table.form,
        "problems": dict(sorted(table.problems.counts.items())),
    }
    if table.assumed_total is not None:
        options["total_votes"] = {"value": table.assumed_total, "assumed": True}
    if table.form != "counts":
        options["rounding"] = "largest remainder"
    return options
