"""How does a file grow so that a killed program loses nothing and repeats nothing?

Three files: the finished one; a hidden one beside it that rows are appended to; and a checkpoint
that says how many bytes hold the rows up to which id. Rows reach the disk before the checkpoint
does, so what follows the checkpoint's last byte is cut off when work goes on, and is fetched again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from zooassist_plugin.errors import BadInput

CHECKPOINT: Final = ".checkpoint.json"


class Checkpoint(BaseModel):
    """What the first `size` bytes of a growing file hold.

    Attributes
    ----------
    source : str
        Where the rows come from; a file never goes on from another source.
    last_id : int
        The last id asked for, whether its row was wanted or not.
    size, rows : int
        Bytes and rows that hold everything up to `last_id`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    last_id: NonNegativeInt = 0
    size: NonNegativeInt = 0
    rows: NonNegativeInt = 0


class GrowingFile:
    """A file of rows that grows from run to run; a context manager.

    Parameters
    ----------
    out : Path
        The finished file; it is replaced as a whole by `finish`.
    header : bytes
        What a new file begins with.
    source : str
        Where rows come from; kept in the checkpoint and compared with it.

    Raises
    ------
    BadInput
        When the file exists without a checkpoint, was changed since, or is of another source.
    """

    def __init__(self, out: Path, header: bytes, source: str) -> None:
        self._out, self._header = out, header
        self._part = out.with_name(f".{out.name}.part")
        self._path = out.with_name(out.name + CHECKPOINT)
        self._stream: BinaryIO | None = None
        self.checkpoint = self._read(source)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def append(self, data: bytes, rows: int, last_id: int) -> None:
        """Add rows and remember that everything up to `last_id` is there.

        When this returns, the rows survive a loss of power; when it is interrupted, they are
        fetched again, once.
        """
        stream = self._open()
        stream.write(data)
        _to_disk(stream)
        self._remember(
            Checkpoint(
                source=self.checkpoint.source,
                last_id=last_id,
                size=stream.tell(),
                rows=self.checkpoint.rows + rows,
            )
        )

    def finish(self) -> None:
        """Put the file with all rows so far in place of the finished one."""
        if self._stream is None and self._out.exists() and not self._part.exists():
            return  # nothing came since the last time
        self._open().close()
        self._stream = None
        self._part.replace(self._out)

    def _read(self, source: str) -> Checkpoint:
        try:
            found = Checkpoint.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            if self._out.exists():
                raise BadInput(
                    f"{self._out}: exists without {self._path.name} beside it, so there is no "
                    "telling where to go on; choose another --out, or remove the file"
                ) from None
            return Checkpoint(source=source)
        except ValidationError as error:
            raise BadInput(
                f"{self._path}: expected a checkpoint of an incremental export, got: {error}; "
                f"remove it and {self._out.name} to start again"
            ) from error
        if found.source != source:
            raise BadInput(
                f"{self._out}: holds classifications of {found.source}, expected {source}; "
                "choose another --out"
            )
        held = self._part if self._part.exists() else self._out
        size = held.stat().st_size if held.exists() else 0
        if size < found.size or (held == self._out and size > found.size):
            raise BadInput(
                f"{held}: expected the {found.size} bytes of the last run, got {size}; "
                f"put the file back, or remove {self._path.name} and it to start again"
            )
        return found

    def _open(self) -> BinaryIO:
        """Open the hidden file at the checkpoint; what was written after it is cut off."""
        if self._stream is not None:
            return self._stream
        if self.checkpoint.size and not self._part.exists():
            # Under a third name first: a hidden file is always as long as the checkpoint says.
            copy = self._part.with_name(self._part.name + ".copy")
            shutil.copyfile(self._out, copy)
            copy.replace(self._part)
        self._out.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self._part.open("r+b" if self._part.exists() else "w+b")
        self._stream.truncate(self.checkpoint.size)
        self._stream.seek(self.checkpoint.size)
        if not self.checkpoint.size:
            self._stream.write(self._header)
            _to_disk(self._stream)
            size = len(self._header)
            self._remember(self.checkpoint.model_copy(update={"size": size}))
        return self._stream

    def _remember(self, checkpoint: Checkpoint) -> None:
        temporary = self._path.with_name(f".{self._path.name}.part")
        with temporary.open("wb") as stream:
            stream.write(checkpoint.model_dump_json(indent=1).encode() + b"\n")
            _to_disk(stream)
        temporary.replace(self._path)
        self.checkpoint = checkpoint


def _to_disk(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
