"""Present a proposal's marks as editable shapes on the subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zooassist_plugin.marks import Mark
from zooassist_plugin.presenters.machine_learnt import write_marks
from zooassist_plugin.presenters.presented import FrameSize, Presented, Unpresentable
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.workflow import Workflow


def present_marks(
    proposal: Proposal,
    workflow: Workflow,
    *,
    frames: int = 1,
    sizes: Sequence[FrameSize | None] = (),
) -> Presented:
    """Present the marks as they are, with the subtask answers that they carry themselves.

    A proposal of the control arm is presented as no marks at all.

    Raises
    ------
    Unpresentable
        As `zooassist_plugin.presenters.machine_learnt.write_marks`.
    """
    return present(proposal, proposal.marks, workflow, frames, sizes)


def present(
    proposal: Proposal,
    marks: Sequence[Mark],
    workflow: Workflow,
    frames: int,
    sizes: Sequence[FrameSize | None],
    notes: Sequence[str] = (),
) -> Presented:
    """Write marks in the name of a proposal, with its provenance beside them."""
    if proposal.workflow_id != workflow.workflow_id:
        raise Unpresentable(
            f"proposal {proposal.proposal_id} is for workflow {proposal.workflow_id}, "
            f"not {workflow.workflow_id}"
        )
    if proposal.arm == "control":
        marks, notes = (), ("control arm: no marks are shown",)
    written = write_marks(marks, workflow, frames, sizes=sizes, provenance=provenance_of(proposal))
    return Presented(written.payload, (*notes, *written.notes))


def provenance_of(proposal: Proposal) -> dict[str, Any]:
    """Return the keys beside the marks, which the classifier ignores and people can read."""
    return {
        "proposal_id": proposal.proposal_id,
        "model": proposal.model,
        "model_version": proposal.model_version,
        "max_conf": proposal.confidence,
    }
