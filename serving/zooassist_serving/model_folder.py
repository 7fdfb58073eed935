"""Is this model folder what it says, and safe to run? Reading, checking and writing of folders."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from zooassist_plugin.bundled import bundled_folders
from zooassist_plugin.calibration import NO_CALIBRATION, Calibration
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import (
    CARD_FILE,
    MAIN_OUTPUT,
    ModelCard,
    Preprocessing,
    first_problem,
    model_version,
)
from zooassist_plugin.output_paths import check_folder_takes_files, temporary_beside, writing
from zooassist_serving.onnx_proto import GraphTensor, OnnxContents, read_onnx

ONNX_FILE = "model.onnx"
BUNDLED: dict[str, Path] = bundled_folders()

# Formats that run code when they are opened, and libraries: a model folder has no use for them.
UNSAFE_SUFFIXES = {
    ".pt": "a pickle",
    ".pth": "a pickle",
    ".pkl": "a pickle",
    ".pickle": "a pickle",
    ".ckpt": "a pickle",
    ".joblib": "a pickle",
    ".so": "a code library",
    ".dll": "a code library",
    ".dylib": "a code library",
    ".py": "code",
    ".pyc": "code",
}
# Operator sets that every onnxruntime carries; others need a library from outside.
KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
IMAGE_INPUT = "image"


@dataclass(frozen=True)
class ModelFolder:
    """A verified model folder."""

    path: Path
    card: ModelCard

    @property
    def onnx_path(self) -> Path:
        """The graph."""
        return self.path / ONNX_FILE


def load_model_folder(argument: str | Path) -> ModelFolder:
    """Find and verify a model folder.

    Parameters
    ----------
    argument : str or Path
        A bundled name (``galaxy-zoo``) or a folder; ``./galaxy-zoo`` is always the folder.

    Raises
    ------
    BadInput
        When there is no such model, the digest is not the card's, or anything in the folder could
        run code or reach outside it.
    """
    path = _find(argument)
    card = ModelCard.read(path)
    _refuse_unsafe_files(path)
    onnx_path = path / ONNX_FILE
    try:
        onnx_bytes = onnx_path.read_bytes()
    except FileNotFoundError as error:
        raise BadInput(
            f"{path}: expected {ONNX_FILE} beside {CARD_FILE}, found none; copy the folder whole"
        ) from error
    except OSError as error:
        raise BadInput(
            f"{onnx_path}: cannot be read: {error.strerror}; check who may read it"
        ) from error
    _check_graph(path, onnx_bytes, card)
    return ModelFolder(path, card)


def _find(argument: str | Path) -> Path:
    text = str(argument)
    if text in BUNDLED:
        return BUNDLED[text]
    if "://" in text:
        raise BadInput(
            f"{text}: expected a folder on this machine or a bundled model "
            f"({', '.join(BUNDLED)}); copy the model folder here and give its path"
        )
    path = Path(text)
    if not path.is_dir():
        raise BadInput(
            f"{text}: expected a model folder or a bundled model ({', '.join(BUNDLED)}), "
            f"found {'a file' if path.exists() else 'nothing there'}; check the path, or train one "
            "with `zooassist train votes`"
        )
    return path


def _refuse_unsafe_files(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        reason = UNSAFE_SUFFIXES.get(path.suffix.lower())
        if reason is not None:
            raise BadInput(
                f"{path}: {reason} does not belong in a model folder; remove it if you trust "
                "where the folder comes from"
            )
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"{path}: expected a file of this folder, got a link that leaves it")


def _check_graph(folder: Path, onnx_bytes: bytes, card: ModelCard) -> None:
    digest = hashlib.sha256(onnx_bytes).hexdigest()
    if digest != card.sha256:
        raise BadInput(
            f"{folder / ONNX_FILE}: expected sha256 {card.sha256[:12]}… as model.json says, "
            f"got {digest[:12]}…; the file was changed or damaged: fetch the model again"
        )
    try:
        contents = read_onnx(onnx_bytes)
        _refuse_foreign_parts(contents)
        _match_card(contents, card)
    except BadInput as error:
        raise BadInput(f"{folder / ONNX_FILE}: {error}") from error


def _refuse_foreign_parts(contents: OnnxContents) -> None:
    if contents.external_tensors:
        raise BadInput(
            f"expected all weights inside the file, but {contents.external_tensors[0]!r} lies in "
            "another file; export the model without external data"
        )
    foreign = sorted(contents.domains - KNOWN_DOMAINS - contents.function_domains)
    if foreign:
        raise BadInput(
            f"expected standard operators only, got operators of {foreign[0]!r}, which need a "
            "library from outside; export the model with standard operators"
        )


def _match_card(contents: OnnxContents, card: ModelCard) -> None:
    for role, specs, tensors in (
        ("input", card.inputs, contents.inputs),
        ("output", card.outputs, contents.outputs),
    ):
        found = {tensor.name: tensor for tensor in tensors}
        for spec in specs:
            if spec.name not in found:
                raise BadInput(
                    f"model.json names the {role} {spec.name!r}, the graph has {sorted(found)}"
                )
            _match_shape(role, spec.shape, found[spec.name])
    if IMAGE_INPUT not in {tensor.name for tensor in contents.inputs}:
        raise BadInput(f"expected an input named {IMAGE_INPUT!r}")
    if card.label_schema is not None:
        output = next(t for t in contents.outputs if t.name == MAIN_OUTPUT[card.kind])
        answers = output.shape[-1] if output.shape else ""
        columns = len(card.label_schema.columns)
        if card.kind == "votes" and isinstance(answers, int) and answers != columns:
            raise BadInput(
                f"the label schema has {columns} columns, the output {output.name!r} {answers}; "
                "they are not of the same model"
            )
    if card.classes:
        output = next(t for t in contents.outputs if t.name == MAIN_OUTPUT[card.kind])
        channels = output.shape[-3] if len(output.shape) >= 3 else 0
        if isinstance(channels, int) and channels != len(card.classes):
            raise BadInput(
                f"model.json names {len(card.classes)} classes, the output {output.name!r} has "
                f"{channels} channels; they are not of the same model"
            )
    if card.targets:
        output = next(t for t in contents.outputs if t.name == MAIN_OUTPUT[card.kind])
        last = output.shape[-2:]
        if len(output.shape) != 4 or last != (len(card.targets), 2):
            raise BadInput(
                f"expected the output {output.name!r} of shape (batch, samples, "
                f"{len(card.targets)}, 2) for the targets {', '.join(t.name for t in card.targets)}"
                f", the graph has {list(output.shape)}; they are not of the same model"
            )


def _match_shape(role: str, expected: tuple[int | str, ...], tensor: GraphTensor) -> None:
    fixed = [
        (a, b)
        for a, b in zip(expected, tensor.shape, strict=False)
        if isinstance(a, int) and isinstance(b, int)
    ]
    if len(expected) != len(tensor.shape) or any(a != b for a, b in fixed):
        raise BadInput(
            f"model.json gives the {role} {tensor.name!r} the shape {list(expected)}, "
            f"the graph {list(tensor.shape)}"
        )


def card_for(
    onnx_bytes: bytes,
    *,
    preprocessing: Preprocessing,
    calibration: Calibration = NO_CALIBRATION,
    **fields: object,
) -> ModelCard:
    """Make the card of a graph: digest and version follow from what it computes.

    Raises
    ------
    BadInput
        When the other fields of `ModelCard` don't make a card.
    """
    digest = hashlib.sha256(onnx_bytes).hexdigest()
    made = {
        "sha256": digest,
        "version": model_version(digest, preprocessing, calibration),
        "preprocessing": preprocessing,
        "calibration": calibration,
    }
    try:
        return ModelCard.model_validate(fields | made)
    except ValidationError as error:
        raise BadInput(f"model card: {first_problem(error)}") from error


def write_model_folder(
    onnx_bytes: bytes,
    card: ModelCard,
    out: Path,
    *,
    files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> ModelFolder:
    """Write a model folder that appears whole, and only when it passes the checks of loading.

    Parameters
    ----------
    onnx_bytes : bytes
        The graph, without external data.
    out : Path
        The folder to make.
    files : mapping, optional
        Further files by plain name, such as ``recipe.json``.
    overwrite : bool
        Replace an existing model folder; anything else that exists is never touched.

    Raises
    ------
    BadInput
        When `out` exists, or graph and card don't fit each other.
    """
    check_model_place(out, overwrite=overwrite)
    for name in files or {}:
        if Path(name).name != name:
            raise BadInput(f"{name!r}: expected a plain file name")
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(out)
        temporary.mkdir()
        try:
            for name, content in (files or {}).items():
                (temporary / name).write_bytes(content)
            (temporary / ONNX_FILE).write_bytes(onnx_bytes)
            card.write(temporary)
            load_model_folder(temporary)
            if out.exists():
                retired = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
                out.replace(retired)
                temporary.replace(out)
                shutil.rmtree(retired)
            else:
                temporary.replace(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return ModelFolder(out, card)


def check_model_place(out: Path, *, overwrite: bool = False) -> None:
    """Refuse a place where no model folder can be written; asked before the training, too.

    Parameters
    ----------
    overwrite : bool
        Whether a model folder that is there may be replaced.

    Raises
    ------
    BadInput
        When something else is there, a model is and may not be replaced, or nothing can be
        written.
    """
    if out.name in ("", "-"):
        raise BadInput(f"{out}: expected a name for the model folder, such as models/first")
    with writing(out):
        if out.exists() and not out.is_dir():
            raise BadInput(f"{out}: expected a folder to make, found a file; choose another name")
        is_model = (out / CARD_FILE).is_file()
        if is_model and not overwrite:
            raise BadInput(
                f"{out}: a model is there already, and model folders don't change; choose another "
                "name, or replace it with --overwrite"
            )
        if out.is_dir() and not is_model and any(out.iterdir()):
            raise BadInput(
                f"{out}: holds files and is no model folder, so it is left as it is; choose "
                "another name"
            )
    check_folder_takes_files(out.parent)
