"""Which models does the server hold? The sound ones; the others are named, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import CARD_FILE
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.model_folder import BUNDLED, ModelFolder, load_model_folder


@dataclass(frozen=True)
class SkippedModel:
    """A model folder that is not served.

    Attributes
    ----------
    folder : str
        Its name, without the path to it.
    reason : str
        What is wrong with it.
    """

    folder: str
    reason: str


@dataclass(frozen=True)
class ModelsToServe:
    """The verified models, and those that are not sound."""

    folders: tuple[ModelFolder, ...]
    skipped: tuple[SkippedModel, ...] = ()


def find_models(root: Path | None, names: tuple[str, ...]) -> ModelsToServe:
    """Verify the models to serve: those named, those under a folder, else those bundled.

    Raises
    ------
    BadInput
        When none is sound, two share a name, or there is none.
    """
    arguments: list[str | Path] = list(names)
    if root is not None:
        if (root / CARD_FILE).exists():
            arguments.append(root)
        arguments += sorted(path.parent for path in root.glob(f"*/{CARD_FILE}"))
    if not names and root is None:
        arguments = [name for name, path in BUNDLED.items() if (path / CARD_FILE).exists()]
    if not arguments:
        raise BadInput(
            f"{root or 'bundled models'}: expected model folders, found none; "
            "give --models DIR or --model NAME"
        )
    folders, skipped, errors = [], [], []
    for argument in arguments:
        try:
            folders.append(load_model_folder(argument))
        except BadInput as error:
            errors.append(str(error))
            skipped.append(SkippedModel(Path(argument).name, str(error)))
    if not folders:
        others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise BadInput(f"none of the models is sound: {errors[0]}{others}")
    DataPlane(folders)  # refuses two of one name
    return ModelsToServe(tuple(folders), tuple(skipped))
