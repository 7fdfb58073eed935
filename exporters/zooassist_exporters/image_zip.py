"""How are images read out of a zip archive, without unpacking it?"""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Final

from zooassist_exporters.images import Wanted
from zooassist_plugin.errors import BadInput, ItemFailed

# As for downloads: a member that says it is larger is no image, or an attack.
MOST_BYTES: Final = 100 * 2**20


class ZipImages:
    """Images of a zip archive, found by path, by file name, or as ``<subject id>.<suffix>``.

    Raises
    ------
    BadInput
        When the file is no zip archive.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise BadInput(f"{path}: expected a zip archive of images, got: {error}") from error
        self._path = path
        # ZipFile moves one file position about.
        self._lock = threading.Lock()
        members = [info for info in self._zip.infolist() if not info.is_dir()]
        self._by_path = {info.filename: info for info in members}
        self._by_name = {Path(info.filename).name: info for info in members}
        self._by_stem = {Path(info.filename).stem: info for info in members}

    def __enter__(self) -> ZipImages:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def read(self, wanted: Wanted) -> bytes:
        """Read the subject's image out of the archive."""
        info = self._find(wanted)
        item = f"subject {wanted.subject_id}"
        if info is None:
            named = wanted.hints[0] if wanted.hints else f"{wanted.subject_id}.*"
            raise ItemFailed(
                item, f"expected {named} in {self._path}, found none", "add it to the archive"
            )
        if info.file_size > MOST_BYTES:
            raise ItemFailed(
                item,
                f"expected at most {MOST_BYTES:,} bytes, {info.filename} has {info.file_size:,}",
                "scale the image down",
            )
        try:
            with self._lock:
                return self._zip.read(info)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise ItemFailed(
                item, f"cannot read {info.filename} in {self._path}: {error}", "pack it again"
            ) from error

    def _find(self, wanted: Wanted) -> zipfile.ZipInfo | None:
        for hint in wanted.hints:
            found = self._by_path.get(hint) or self._by_name.get(hint.rsplit("/", 1)[-1])
            if found is not None:
                return found
        return self._by_stem.get(str(wanted.subject_id))
