"""Present a proposal's answers as pre-answered subtasks of its marks.

Questions of a task cannot be pre-selected on Zooniverse, but the subtasks of a pre-filled mark can:
an outline of the galaxy that already says "featured" and "barred". Subtasks do not branch, so a
decision tree is flattened; an answer to a question that the tree would not ask of this object is
left open (see `REACHED`).
"""

from __future__ import annotations

from collections.abc import Sequence

from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.presenters.marks import present
from zooassist_plugin.presenters.presented import FrameSize, Presented, Unpresentable
from zooassist_plugin.presenters.routing import route, tool_at
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.workflow import Detail, Workflow

REACHED = 0.5
"""A subtask is pre-answered when the model's tree reaches its question at least this probably."""

CHOSEN = 0.5
"""Answers of a multiple choice are pre-selected from this probability on."""


def present_subtasks(
    proposal: Proposal,
    workflow: Workflow,
    *,
    frames: int = 1,
    sizes: Sequence[FrameSize | None] = (),
) -> Presented:
    """Present the marks, each carrying the most probable answers to its tool's subtasks.

    `single` takes the most probable answer, `multiple` every answer of at least `CHOSEN`. A
    question is left open when `proposal.asked` gives it less than `REACHED`, when a mark answers
    it itself (that answer stays), or when the proposal does not answer it.

    Raises
    ------
    Unpresentable
        As `zooassist_plugin.presenters.machine_learnt.write_marks`; and when an answer has another
        number of probabilities than the subtask has answers.
    """
    notes: list[str] = []
    filled: list[Mark] = []
    used: set[str] = set()
    for place, mark in enumerate(proposal.marks):
        try:
            task = route(mark.task, workflow).task
            tool = tool_at(task, mark.tool_index, mark.shape.tool_type)
        except Unpresentable as error:
            raise Unpresentable(f"mark {place}: {error}") from error
        own = {answer.task for answer in mark.answers}
        answers = list(mark.answers)
        for detail in tool.details:
            used.add(detail.key)
            if detail.key in own or detail.key not in proposal.answers:
                continue
            reached = proposal.asked.get(detail.key, 1.0)
            if reached < REACHED:
                notes.append(
                    f"{detail.key} left open: the model's tree reaches it with {reached:.2f}"
                )
                continue
            answers.append(_answer(detail, proposal.answers[detail.key]))
        filled.append(mark.model_copy(update={"answers": tuple(answers)}))
    unused = [key for key in proposal.answers if key not in used]
    if unused:
        notes.append(f"no mark carries the answers to {', '.join(unused)}")
    return present(proposal, filled, workflow, frames, sizes, notes)


def _answer(detail: Detail, probabilities: Sequence[float]) -> SubtaskAnswer:
    if len(probabilities) != len(detail.answers):
        raise Unpresentable(
            f"subtask {detail.key}: expected {len(detail.answers)} probabilities, one per answer, "
            f"got {len(probabilities)}"
        )
    if detail.type == "single":
        best = max(range(len(probabilities)), key=lambda i: probabilities[i])
        return SubtaskAnswer(task=detail.key, task_type="single", value=best)
    if detail.type == "multiple":
        chosen = tuple(i for i, p in enumerate(probabilities) if p >= CHOSEN)
        return SubtaskAnswer(task=detail.key, task_type="multiple", value=chosen)
    raise Unpresentable(
        f"subtask {detail.key} is a {detail.type} task, probabilities cannot answer it"
    )
