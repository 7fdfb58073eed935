"""Switch pre-fill on, off, or look: read both sides, check, repair what may be, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from zooassist_plugin.caesar import Caesar
from zooassist_plugin.enable.caesar_rules import ACCOUNT_RULES, CAESAR_RULES
from zooassist_plugin.enable.read_back import NAME, choose_subject, look, probe
from zooassist_plugin.enable.situation import FLAG, Check, Repair, Rule, Situation, check_rules
from zooassist_plugin.enable.workflow_rules import WORKFLOW_RULES
from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.extracts_csv import CsvHost
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.presenters import PRESENTERS
from zooassist_plugin.workflow import Workflow

# While one of these fails nothing is written: switching on a workflow on which a proposal crashes
# the page, or blocks Done, would harm its volunteers.
BLOCKING: tuple[Rule, ...] = (*ACCOUNT_RULES, *WORKFLOW_RULES)
ENGLISH = "en"


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
    in_trouble : bool
        Whether Caesar itself could not answer the read-back.
    """

    checks: tuple[Check, ...]
    calls: tuple[str, ...] = ()
    probed_subject_id: int | None = None
    in_trouble: bool = False

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0 when all is well, 3 when Caesar could not answer, 1 otherwise."""
        if self.passed:
            return 0
        return Refused.exit_code if self.in_trouble else 1


def read_situation(panoptes: Panoptes, caesar: Caesar, wanted: Wanted) -> Situation:
    """Read what the checks look at."""
    row, _ = panoptes.resource("workflows", wanted.workflow_id)
    workflow = Workflow.from_json(row)
    language = str(row.get("primary_language") or ENGLISH).lower()
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
        logged_in=panoptes.token() is not None,
        language=language,
        in_english=language == ENGLISH
        or panoptes.has_texts("workflow", wanted.workflow_id, ENGLISH),
    )


def check(situation: Situation) -> tuple[Check, ...]:
    """Apply every rule, in the order of the tables."""
    return (*check_rules(BLOCKING, situation), *check_rules(CAESAR_RULES, situation))


def is_blocked(situation: Situation) -> bool:
    """Say whether a `BLOCKING` rule fails."""
    return not all(each.passed for each in check_rules(BLOCKING, situation))


def plan(situation: Situation) -> tuple[Repair, ...]:
    """Return the writes that `enable` would make; none while it is blocked."""
    if is_blocked(situation):
        return ()
    return tuple(
        repair
        for rule in CAESAR_RULES
        if not rule.check(situation).passed
        for repair in rule.repair(situation)
    )


def preview(situation: Situation) -> tuple[Check, ...]:
    """Apply every rule before anything is written; what `enable` would mend does not fail.

    While a `BLOCKING` rule fails, the switches wait for it and do not fail either.
    """
    blocked = is_blocked(situation)
    switches = []
    for rule in CAESAR_RULES:
        found = rule.check(situation)
        if not found.passed and (blocked or rule.repair(situation)):
            what = "left as it is" if blocked else "`zooassist enable` mends it"
            detail = f"{found.detail}; {what}"
            found = replace(found, passed=True, checked=False, detail=detail, remedy="")
        switches.append(found)
    return (*check_rules(BLOCKING, situation), *switches)


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
    calls = tuple(repair.call for repair in repairs)
    if is_blocked(situation) or (dry_run and repairs):
        unasked = Check(NAME, True, "not asked: nothing was written", checked=False)
        return EnableReport((*preview(situation), unasked), calls)
    subject = choose_subject(panoptes, situation.workflow, wanted.subject_id)
    for repair in repairs:
        repair.perform(panoptes, caesar)
    if repairs:
        situation = read_situation(panoptes, caesar, wanted)
    checks = check(situation)
    passed = all(each.passed for each in checks)
    if dry_run or not passed:
        seen = look(caesar, situation.workflow, subject, all_passed=passed)
        return EnableReport((*checks, seen.check), calls, in_trouble=seen.in_trouble)
    probed = probe(caesar, situation.workflow, subject, host, wait)
    if probed.written:
        calls = (*calls, f"Caesar import of one empty proposal for subject {probed.subject_id}")
    return EnableReport(
        (*checks, probed.check),
        calls,
        probed.subject_id if probed.written else None,
        probed.in_trouble,
    )


def status(panoptes: Panoptes, caesar: Caesar, wanted: Wanted) -> EnableReport:
    """Check and read back; write nothing."""
    situation = read_situation(panoptes, caesar, wanted)
    subject = choose_subject(panoptes, situation.workflow, wanted.subject_id)
    checks = check(situation)
    passed = all(each.passed for each in checks)
    seen = look(caesar, situation.workflow, subject, all_passed=passed)
    return EnableReport((*checks, seen.check), in_trouble=seen.in_trouble)


def disable(panoptes: Panoptes, workflow_id: int, *, dry_run: bool = False) -> bool:
    """Switch fetching off; returns whether it was (or would be) written.

    Caesar's workflow, reducer and reductions stay: without the flag the classifier does not ask
    for them, and `enable` finds them again.
    """
    if panoptes.workflow(workflow_id).configuration.get(FLAG) is not True:
        return False
    return dry_run or panoptes.configure(workflow_id, {FLAG: False})
