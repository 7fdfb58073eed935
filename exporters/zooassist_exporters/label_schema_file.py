"""Which label schema does an argument name? A tree, a model folder, a training set, or a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from zooassist_exporters.training_set_layout import MANIFEST
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.trees import TREES

MODEL_CARD: Final = "model.json"


def read_label_schema(argument: str) -> LabelSchema:
    """Return the label schema of a named tree, a model folder, a training set or a JSON file.

    Raises
    ------
    BadInput
        When the argument is none of these, or holds no label schema.
    """
    if argument in TREES:
        return TREES[argument]
    path = Path(argument)
    for name in (MODEL_CARD, MANIFEST):
        if (path / name).is_file():
            path = path / name
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{argument}: expected a tree ({', '.join(TREES)}), a model folder, a training set or "
            f"a JSON file with a label schema, got: {error}"
        ) from error
    schema = content.get("label_schema", content) if isinstance(content, dict) else content
    if not isinstance(schema, dict) or "questions" not in schema:
        raise BadInput(f'{path}: expected a label schema ({{"questions": [...]}}), found none')
    return LabelSchema.from_json(schema)
