"""What kind of thing is an object, by its name? Image, manifest, archive, stack or volume."""

from __future__ import annotations

from typing import Final, Literal

from zooassist_serving.catalogue.manifest import MANIFEST_SUFFIX
from zooassist_serving.catalogue.source import IMAGE_SUFFIXES
from zooassist_serving.catalogue.tables import TABLE_SUFFIXES

ObjectKind = Literal["image", "manifest", "archive", "stack", "volume"]

ARCHIVE_ENDINGS: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
VOLUME_ENDINGS: Final = (".nii", ".nii.gz")
# May have one page or many.
STACK_ENDINGS: Final = (".tif", ".tiff")
EXPECTED: Final = (
    f"an image ({' '.join(sorted(IMAGE_SUFFIXES))}), a manifest (.json .csv .tsv .parquet), an "
    f"archive ({' '.join(ARCHIVE_ENDINGS)}) or a volume ({' '.join(VOLUME_ENDINGS)})"
)


def kind_of(name: str) -> ObjectKind | None:
    """Return the kind of an object; None for what we don't read."""
    lower = name.lower()
    if lower.endswith(ARCHIVE_ENDINGS):
        return "archive"
    if lower.endswith(VOLUME_ENDINGS):
        return "volume"
    if lower.endswith(STACK_ENDINGS):
        return "stack"
    suffix = lower[lower.rfind(".") :] if "." in lower else ""
    if suffix in TABLE_SUFFIXES or suffix == MANIFEST_SUFFIX:
        return "manifest"
    return "image" if suffix in IMAGE_SUFFIXES else None
