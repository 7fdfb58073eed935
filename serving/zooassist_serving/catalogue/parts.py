"""What has a catalogue run finished already? Parts in a hidden folder beside the output.

Each part holds the predictions of a fixed run of rows and is written whole under a temporary name,
so that a killed process loses only the parts it was at. The name of a part says which rows it
answers for; the file `state.json` which model, format and options.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pyarrow as pa

from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import writing

ENCODING: Final = {"encoding-type": "zooassist-catalogue-parts", "encoding-version": "0.1.0"}
STATE_FILE: Final = "state.json"
LOCK_FILE: Final = "lock"
# Is there from just before the output appears: with the output, the parts are of no use any more.
JOINED_FILE: Final = "joined"
PART_SUFFIX: Final = ".arrow"
RESTART: Final = "run again with --restart to throw the earlier run away, or choose another --out"


def parts_folder(out: Path) -> Path:
    """Name the hidden folder of an output file."""
    return out.with_name(f".{out.name}.parts")


class Parts:
    """The parts of one output; used as a context manager, which holds the folder's lock.

    Parameters
    ----------
    out : Path
        The file that the parts are for.
    identity : mapping
        What all parts have in common: model, version, format, options. Text and numbers.
    resume : bool or None
        True: there must be an earlier run; False: throw an earlier run away; None: go on with an
        earlier run if there is one.

    Raises
    ------
    BadInput
        When the earlier run was another, another process is at it, or nothing can be written.
    """

    def __init__(self, out: Path, identity: Mapping[str, Any], resume: bool | None = None) -> None:
        self.folder = parts_folder(out)
        self._out, self._identity, self._resume = out, dict(identity), resume
        self._done: dict[int, Path] = {}

    def __enter__(self) -> Parts:
        if self._resume and not (self.folder / STATE_FILE).is_file():
            raise BadInput(
                f"{self._out}: expected an earlier run to go on with, found none; "
                "leave out --resume"
            )
        with writing(self._out):
            self.folder.mkdir(exist_ok=True)
            self._lock = (self.folder / LOCK_FILE).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise BadInput(
                f"{self._out}: another process is predicting into this file; wait for it, or "
                "choose another --out"
            ) from error
        try:
            self._take_up()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._done:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def __len__(self) -> int:
        return len(self._done)

    def __contains__(self, index: int) -> bool:
        return index in self._done

    def _take_up(self) -> None:
        state, joined = self.folder / STATE_FILE, self.folder / JOINED_FILE
        is_old = joined.exists() and self._out.exists()
        joined.unlink(missing_ok=True)
        if self._resume is False or is_old:
            for path in self.folder.glob(f"*{PART_SUFFIX}*"):
                path.unlink()
            state.unlink(missing_ok=True)
        if not state.is_file():
            content = ENCODING | {"producer": f"zooassist {__version__}"} | self._identity
            self._publish(state, json.dumps(content, indent=2).encode())
            return
        self._refuse_another_run(state)
        for path in self.folder.glob(f"*{PART_SUFFIX}"):
            number, _, _ = path.stem.partition("-")
            self._done[int(number)] = path

    def _refuse_another_run(self, state: Path) -> None:
        try:
            earlier = json.loads(state.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"{state}: cannot be read ({error}); {RESTART}") from error
        for key, value in (ENCODING | self._identity).items():
            if earlier.get(key) != value:
                raise BadInput(
                    f"{self._out}: the earlier run there had {key} {earlier.get(key)!r}, this one "
                    f"has {value!r}; {RESTART}"
                )

    def check(self, index: int, digest: str, first_row: int, name: str) -> None:
        """Refuse to go on when a finished part answers for other rows than now.

        Parameters
        ----------
        digest : str
            Of the rows that the part should have; see `digest_of`.
        first_row, name : int, str
            Of the first of them, for the message.

        Raises
        ------
        BadInput
        """
        path = self._done[index]
        if path.stem.partition("-")[2] != digest:
            theirs = self._difference(path, first_row)
            raise BadInput(
                f"{self._out}: the earlier run there had another list of images: {theirs}; this "
                f"list has {name!r} as row {first_row + 1}; {RESTART}"
            )

    def _difference(self, path: Path, first_row: int) -> str:
        part = _read(path)
        first = part.column("name")[0].as_py()
        return f"rows {first_row + 1} to {first_row + part.num_rows}, from {first!r} on"

    def check_length(self, count: int) -> None:
        """Refuse to go on when the earlier run had parts beyond the end of this list.

        Parameters
        ----------
        count : int
            Parts that the list makes.
        """
        beyond = sorted(index for index in self._done if index >= count)
        if beyond:
            raise BadInput(
                f"{self._out}: the earlier run there had a longer list of images; {RESTART}"
            )

    def write(self, index: int, digest: str, batch: pa.RecordBatch) -> None:
        """Keep a finished part."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        path = self.folder / f"{index:09}-{digest}{PART_SUFFIX}"
        self._publish(path, sink.getvalue())
        self._done[index] = path

    def _publish(self, path: Path, content: bytes | pa.Buffer) -> None:
        temporary = path.with_name(f"{path.name}.new")
        with writing(self._out):
            try:
                temporary.write_bytes(content)
                os.replace(temporary, path)  # noqa: PTH105
            finally:
                temporary.unlink(missing_ok=True)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield every part in order.

        Raises
        ------
        BadInput
            When a part is damaged.
        """
        for index in sorted(self._done):
            yield _read(self._done[index])

    def publish(self, finished: Path) -> None:
        """Put the output in its place and take the parts away.

        Parameters
        ----------
        finished : Path
            The output under its temporary name.
        """
        with writing(self._out):
            (self.folder / JOINED_FILE).touch()
            finished.replace(self._out)
        self.remove()

    def remove(self) -> None:
        """Take the folder away."""
        self._done.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> pa.RecordBatch:
    try:
        with pa.ipc.open_file(pa.BufferReader(path.read_bytes())) as file:
            return file.get_batch(0)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(
            f"{path}: damaged part of an earlier run ({type(error).__name__}); remove that file "
            "and run again"
        ) from error
