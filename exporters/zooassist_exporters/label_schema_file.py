"""Which label schema does an argument name? That of a tree, a model, a training set or a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from zooassist_exporters.training_set_layout import MANIFEST
from zooassist_plugin.bundled import bundled_folders
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.trees import TREES

MODEL_CARD: Final = "model.json"


def read_label_schema(argument: str) -> LabelSchema:
    """Return the label schema of a named tree, a model, a training set or a JSON file.

    A model is a model folder or a bundled name, as everywhere; ``./galaxy-zoo`` is the folder.

    Raises
    ------
    BadInput
        When the argument is none of these, or holds no label schema.
    """
    if argument in TREES:
        return TREES[argument]
    bundled = bundled_folders()
    path = bundled.get(argument, Path(argument))
    for name in (MODEL_CARD, MANIFEST):
        if (path / name).is_file():
            path = path / name
    expected = (
        f"expected a tree ({', '.join(TREES)}), a bundled model ({', '.join(bundled)}), or the "
        "path of a model folder, a training set or a JSON file with a label schema"
    )
    if not path.is_file():
        found = "another folder" if path.is_dir() else "nothing there"
        raise BadInput(f"{argument}: {expected}, found {found}; check the path")
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read: {error.strerror}; check who may read it"
        ) from error
    except ValueError as error:
        raise BadInput(f"{path}: {expected}, but it is no JSON: {error}") from error
    schema = content.get("label_schema", content) if isinstance(content, dict) else content
    if not isinstance(schema, dict) or "questions" not in schema:
        raise BadInput(f'{path}: expected a label schema ({{"questions": [...]}}), found none')
    return LabelSchema.from_json(schema)
