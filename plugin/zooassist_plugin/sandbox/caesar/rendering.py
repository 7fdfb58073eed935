"""How do extracts, reductions and classifications look outside Caesar? The JSON others receive."""

from __future__ import annotations

from typing import Any

from zooassist_plugin.sandbox.caesar.answers import rails_time, row_json
from zooassist_plugin.sandbox.caesar.tables import CaesarSubject, Extract, Reduction
from zooassist_plugin.sandbox.panoptes.tables import Classification


def extract_json(extract: Extract) -> dict[str, Any]:
    """Render one extract, as external reducers and ``GET .../extracts`` see it."""
    return {
        **row_json(extract),
        "workflow_version": extract.workflow_version or None,
        "relevant_reduction": None,
    }


def reduction_json(reduction: Reduction) -> dict[str, Any]:
    """Render one reduction, as ``GET .../reductions`` sees it."""
    owner = {"reducible_id": reduction.workflow_id, "reducible_type": "Workflow"}
    return {**row_json(reduction), **owner}


def subject_json(subject: CaesarSubject) -> dict[str, Any]:
    """Render what Caesar knows of one subject."""
    return row_json(subject)


def effect_json(reduction: Reduction, subject: CaesarSubject | None) -> dict[str, Any]:
    """Render one reduction as the body of an external effect."""
    return {
        "id": reduction.id,
        "reducible": {"id": reduction.workflow_id, "type": "Workflow"},
        "data": reduction.data,
        "subject": None if subject is None else subject_json(subject),
        "reducer_key": reduction.reducer_key,
        "created_at": rails_time(reduction.created_at),
        "updated_at": rails_time(reduction.updated_at),
    }


def classification_json(classification: Classification, subject: CaesarSubject) -> dict[str, Any]:
    """Render one classification: annotations regrouped by task, only its first subject."""
    by_task: dict[str, list[Any]] = {}
    for annotation in classification.annotations:
        # Custom front ends may send anything; what names no task belongs to none.
        if isinstance(annotation, dict) and isinstance(annotation.get("task"), str):
            by_task.setdefault(annotation["task"], []).append(annotation)
    return {
        "id": classification.id,
        "project_id": classification.project_id,
        "workflow_id": classification.workflow_id,
        "workflow_version": classification.workflow_version,
        "subject_id": subject.id,
        "user_id": classification.user_id,
        "annotations": by_task,
        "metadata": classification.metadata_,
        "subject": subject_json(subject),
        "created_at": rails_time(classification.created_at),
        "updated_at": rails_time(classification.updated_at),
    }
