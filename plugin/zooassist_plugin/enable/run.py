"""Switch pre-fill on, off, or look: read both sides, check, repair what may be, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zooassist_plugin.caesar import Caesar
from zooassist_plugin.enable.caesar_rules import CAESAR_RULES
from zooassist_plugin.enable.read_back import choose_subject, look, probe
from zooassist_plugin.enable.situation import FLAG, Check, Repair, Situation
from zooassist_plugin.enable.workflow_rules import WORKFLOW_RULES
from zooassist_plugin.errors import BadInput
from zooassist_plugin.extracts_csv import CsvHost
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.presenters import PRESENTERS


@dataclass(frozen=True)
class Wanted:
    """What pre-fill is wanted for.

    Attributes
    ----------
    card : ModelCard or None
        None leaves out the checks that compare model and workflow.
    presenter : str
        Name in `PRESENTERS`.
    overrides : mapping
        Task key -> the model's question name.
    subject_id : int or None
        The test subject; None takes the first of the workflow's sets.
    replace_reducer : bool
        Whether to replace a reducer that another service may write through.
    """

    workflow_id: int
    card: ModelCard | None = None
    presenter: str = "subtasks"
    overrides: Mapping[str, str] = field(default_factory=dict)
    subject_id: int | None = None
    replace_reducer: bool = False

    def __post_init__(self) -> None:
        if self.presenter not in PRESENTERS:
            raise BadInput(
                f"presenter: expected one of {', '.join(PRESENTERS)}, got {self.presenter!r}"
            )


@dataclass(frozen=True)
class EnableReport:
    """What was found, and what was written.

    Attributes
    ----------
    checks : tuple of Check
        In the order of the table; the last one is the read-back.
    calls : tuple of str
        The writes made, or with `dry_run` the writes that would be made.
    probed_subject_id : int or None
        The subject to which an empty proposal was written, if any.
    """

    checks: tuple[Check, ...]
    calls: tuple[str, ...] = ()
    probed_subject_id: int | None = None

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def read_situation(panoptes: Panoptes, caesar: Caesar, wanted: Wanted) -> Situation:
    """Read what the checks look at."""
    workflow = panoptes.workflow(wanted.workflow_id)
    known = caesar.workflow(wanted.workflow_id)
    return Situation(
        workflow=workflow,
        presenter=wanted.presenter,
        card=wanted.card,
        overrides=wanted.overrides,
        caesar=known,
        reducers=() if known is None else caesar.reducers(wanted.workflow_id),
        extractors=() if known is None else caesar.extractors(wanted.workflow_id),
        replace_reducer=wanted.replace_reducer,
    )


def check(situation: Situation) -> tuple[Check, ...]:
    """Apply every rule, in the order of the tables."""
    return tuple(rule.check(situation) for rule in (*WORKFLOW_RULES, *CAESAR_RULES))


def plan(situation: Situation) -> tuple[Repair, ...]:
    """Return the writes that `enable` would make.

    None while the workflow cannot show the proposals: switching on a workflow on which a proposal
    crashes the page, or blocks Done, would harm its volunteers.
    """
    if not all(rule.check(situation).passed for rule in WORKFLOW_RULES):
        return ()
    return tuple(
        repair
        for rule in CAESAR_RULES
        if not rule.check(situation).passed
        for repair in rule.repair(situation)
    )


def enable(
    panoptes: Panoptes,
    caesar: Caesar,
    wanted: Wanted,
    *,
    host: CsvHost | None = None,
    dry_run: bool = False,
    wait: float = 60.0,
) -> EnableReport:
    """Check, repair, check again, and read back as the classifier does; idempotent.

    Parameters
    ----------
    host : CsvHost or None
        Where Caesar can fetch the test subject's empty proposal from.
    dry_run : bool
        Write nothing, list the calls.
    wait : float
        Seconds to wait for the empty proposal to be visible.

    Raises
    ------
    Refused
        When one side refuses a read or a write.
    """
    situation = read_situation(panoptes, caesar, wanted)
    repairs = plan(situation)
    subject = choose_subject(panoptes, situation.workflow, wanted.subject_id)
    calls = tuple(repair.call for repair in repairs)
    if not dry_run:
        for repair in repairs:
            repair.perform(panoptes, caesar)
        if repairs:
            situation = read_situation(panoptes, caesar, wanted)
    checks = check(situation)
    if dry_run or not all(each.passed for each in checks):
        return EnableReport((*checks, look(caesar, situation.workflow, subject)), calls)
    probed = probe(caesar, situation.workflow, subject, host, wait)
    if probed.written:
        calls = (*calls, f"Caesar import of one empty proposal for subject {probed.subject_id}")
    return EnableReport(
        (*checks, probed.check), calls, probed.subject_id if probed.written else None
    )


def status(panoptes: Panoptes, caesar: Caesar, wanted: Wanted) -> EnableReport:
    """Check and read back; write nothing."""
    situation = read_situation(panoptes, caesar, wanted)
    subject = choose_subject(panoptes, situation.workflow, wanted.subject_id)
    return EnableReport((*check(situation), look(caesar, situation.workflow, subject)))


def disable(panoptes: Panoptes, workflow_id: int, *, dry_run: bool = False) -> bool:
    """Switch fetching off; returns whether it was (or would be) written.

    Caesar's workflow, reducer and reductions stay: without the flag the classifier does not ask
    for them, and `enable` finds them again.
    """
    if panoptes.workflow(workflow_id).configuration.get(FLAG) is not True:
        return False
    return dry_run or panoptes.configure(workflow_id, {FLAG: False})
