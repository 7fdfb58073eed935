"""What do the checks look at, and what do they say? One reading of both sides, frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from zooassist_plugin.caesar import Caesar, CaesarWorkflow, Extractor, Reducer
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.workflow import Workflow

FLAG = "enable_caesar_data_fetching"


@dataclass(frozen=True)
class Check:
    """One line of the table that a project builder sees.

    Attributes
    ----------
    passed : bool
        Whether nothing was found that speaks against pre-fill; see `checked`.
    detail : str
        What was found.
    remedy : str
        What to do; empty when passed.
    checked : bool
        False when there was nothing to look at, or not yet: that is neither good nor bad.
    """

    name: str
    passed: bool
    detail: str
    remedy: str = ""
    checked: bool = True


@dataclass(frozen=True)
class Repair:
    """One write that mends a failed check: the call as text, and how to make it."""

    call: str
    perform: Callable[[Panoptes, Caesar], object] = field(repr=False)


@dataclass(frozen=True)
class Situation:
    """A workflow, a model and a presenter, and what Caesar holds for them.

    Attributes
    ----------
    card : ModelCard or None
        None leaves out the checks that compare model and workflow.
    overrides : mapping
        Task key -> the model's question name, where the texts do not match.
    caesar : CaesarWorkflow or None
        None when Caesar does not know the workflow.
    replace_reducer : bool
        Whether a reducer that another service may be writing through can be replaced.
    logged_in : bool
        Whether the connection has an account; without one Caesar shows no workflow.
    language : str
        The workflow's primary language.
    in_english : bool
        Whether its texts are there in English, which every classifier asks for.
    """

    workflow: Workflow
    presenter: str = "subtasks"
    card: ModelCard | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    caesar: CaesarWorkflow | None = None
    reducers: tuple[Reducer, ...] = ()
    extractors: tuple[Extractor, ...] = ()
    replace_reducer: bool = False
    logged_in: bool = True
    language: str = "en"
    in_english: bool = True


@dataclass(frozen=True)
class Rule:
    """One check as data.

    Attributes
    ----------
    look : callable
        Situation -> whether it holds (None: there is nothing to look at), and what was found.
    repair : callable
        Situation in which it does not hold -> the writes that mend it, or none.
    """

    name: str
    look: Callable[[Situation], tuple[bool | None, str]]
    remedy: str
    repair: Callable[[Situation], tuple[Repair, ...]] = lambda situation: ()

    def check(self, situation: Situation) -> Check:
        """Apply the rule; tasks that cannot be read at all fail it."""
        return check_rules((self,), situation)[0]


def check_rules(rules: Sequence[Rule], situation: Situation) -> tuple[Check, ...]:
    """Apply rules in their order.

    What cannot be read at all (a workflow's tasks, a question named for the model) fails the first
    rule that needs it; the others that need it are not checked.
    """
    checks: list[Check] = []
    unreadable: dict[str, str] = {}
    for rule in rules:
        remedy = rule.remedy
        try:
            passed, detail = rule.look(situation)
        except BadInput as error:
            detail = str(error)
            first = unreadable.setdefault(detail, rule.name)
            passed, remedy = False, "correct that first; what depends on it is not checked"
            if first != rule.name:
                passed, detail = None, f"not checked, see {first!r}"
        checks.append(
            Check(
                rule.name,
                passed is not False,
                detail,
                remedy if passed is False else "",
                checked=passed is not None,
            )
        )
    return tuple(checks)
