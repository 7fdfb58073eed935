"""Where does the demo write? Beside its folder first, then in place, complete or not at all."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zooassist_loop.demo.summary import SUMMARY
from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import check_folder_takes_files

logger = logging.getLogger(__name__)


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `out` when the block ends well.

    An earlier demo at `out` stays until then. After an error the unfinished folder is left for a
    look, under its temporary name; the next run says so and removes it.

    Raises
    ------
    BadInput
        When `out` holds something that is not an earlier demo, or cannot be made.
    """
    out = out.absolute()
    check_folder_takes_files(out.parent)
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out}: expected a folder, found a file; choose another --out")
    if out.exists() and not (out / SUMMARY).is_file() and any(out.iterdir()):
        raise BadInput(
            f"{out}: expected a new folder or an earlier demo, found something else; "
            "choose another --out"
        )
    work = out.with_name(f".{out.name}.partial")
    if work.exists():
        logger.warning("removing %s, which an earlier run left unfinished", work)
        shutil.rmtree(work)
    work.mkdir(parents=True)
    try:
        yield work
    except BaseException:
        if any(work.iterdir()):
            logger.warning("%s is unfinished; the next run removes it", work)
        else:
            work.rmdir()
        raise
    if out.exists():
        shutil.rmtree(out)
    work.rename(out)
