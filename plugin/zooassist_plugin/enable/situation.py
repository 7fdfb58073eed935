"""What do the checks look at, and what do they say? One reading of both sides, frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    detail : str
        What was found.
    remedy : str
        What to do; empty when passed.
    """

    name: str
    passed: bool
    detail: str
    remedy: str = ""


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
    """

    workflow: Workflow
    presenter: str = "subtasks"
    card: ModelCard | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    caesar: CaesarWorkflow | None = None
    reducers: tuple[Reducer, ...] = ()
    extractors: tuple[Extractor, ...] = ()
    replace_reducer: bool = False


@dataclass(frozen=True)
class Rule:
    """One check as data.

    Attributes
    ----------
    look : callable
        Situation -> whether it holds, and what was found.
    repair : callable
        Situation in which it does not hold -> the writes that mend it, or none.
    """

    name: str
    look: Callable[[Situation], tuple[bool, str]]
    remedy: str
    repair: Callable[[Situation], tuple[Repair, ...]] = lambda situation: ()

    def check(self, situation: Situation) -> Check:
        """Apply the rule; tasks that cannot be read at all fail it."""
        try:
            passed, detail = self.look(situation)
        except BadInput as error:
            passed, detail = False, str(error)
        return Check(self.name, passed, detail, "" if passed else self.remedy)
