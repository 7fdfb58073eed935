"""The builder's side of the demo: enable, propose, and what the ledger remembers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from zooassist_loop.demo.project import DemoProject, Item
from zooassist_loop.ledger import Entry, Ledger
from zooassist_loop.propose.hosts import csv_host
from zooassist_loop.propose.pipeline import Order, Sides, propose_subjects
from zooassist_plugin.caesar import Caesar
from zooassist_plugin.enable import Wanted, enable
from zooassist_plugin.errors import Refused
from zooassist_plugin.extracts_csv import CsvHost
from zooassist_plugin.panoptes import Panoptes, connect
from zooassist_plugin.progress import stages
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.settings import Settings
from zooassist_plugin.shapes import Ellipse
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.model_folder import ModelFolder


@dataclass(frozen=True)
class ProposedRound:
    """What one round of proposals came to."""

    written: int
    read_back: int
    problems: tuple[str, ...]
    told: str


@dataclass(frozen=True)
class Round:
    """A connection to both sides, the ledger, and how proposals are presented."""

    presenter: str
    settings: Settings
    panoptes: Panoptes
    caesar: Caesar
    ledger: Ledger
    host: CsvHost

    @property
    def endpoints(self) -> tuple[str, str]:
        """Base URLs of Panoptes and Caesar."""
        return self.settings.panoptes_endpoint, self.settings.caesar_endpoint

    @classmethod
    @contextmanager
    def connect(cls, settings: Settings, presenter: str) -> Iterator[Round]:
        """Log in as the builder for the length of a ``with`` block."""
        with (
            connect(settings) as panoptes,
            Caesar(settings, panoptes) as caesar,
            Ledger(settings.ledger) as ledger,
        ):
            host = csv_host("local", settings)
            yield cls(presenter, settings, panoptes, caesar, ledger, host)

    def enable(self, project: DemoProject[Item], folder: ModelFolder) -> str:
        """Switch pre-fill on.

        Raises
        ------
        Refused
            When a check fails: on a sandbox of our own, none should.
        """
        report = enable(self.panoptes, self.caesar, self._wanted(project, folder), host=self.host)
        for check in report.checks:
            if not check.passed:
                raise Refused(f"enable: {check.name}: {check.detail}; {check.remedy}")
        checked = sum(check.checked for check in report.checks)
        return f"{checked} checks passed, the last one as a volunteer's browser"

    def propose(
        self, project: DemoProject[Item], folder: ModelFolder, replace: bool
    ) -> ProposedRound:
        """Propose every subject with one model version, and read every proposal back."""
        order = Order(
            wanted=self._wanted(project, folder),
            subject_set_id=project.subject_set_id,
            replace=replace,
            sample=None,
        )
        sides = Sides(self.panoptes, self.caesar, self.ledger, self.host)
        with stages() as progress:
            outcome = propose_subjects(sides, order, DataPlane([folder]), progress=progress)
        published = outcome.published
        return ProposedRound(
            written=published.rows,
            read_back=published.equal,
            problems=tuple(str(failure) for failure in outcome.failed),
            told=f"{published.rows} proposals imported, {published.equal} read back equal",
        )

    def answers(
        self, project: DemoProject[Item], model_version: str, task: str
    ) -> dict[int, tuple[float, ...]]:
        """Return what one version answers to one task, by subject."""
        return {
            proposal.subject_id: proposal.answers[task]
            for proposal in self.proposals(project, model_version)
            if task in proposal.answers
        }

    def outlines(self, project: DemoProject[Item], model_version: str) -> dict[int, Ellipse]:
        """Return the ellipses one version proposed, by subject."""
        return {
            proposal.subject_id: mark.shape
            for proposal in self.proposals(project, model_version)
            for mark in proposal.marks
            if isinstance(mark.shape, Ellipse)
        }

    def entries(self, project: DemoProject[Item], model_version: str) -> Iterator[Entry]:
        """Yield what the ledger knows of one version's proposals."""
        for entry in self.ledger.entries(project.workflow.workflow_id):
            if entry.model_version == model_version and entry.proposal is not None:
                yield entry

    def proposals(self, project: DemoProject[Item], model_version: str) -> Iterator[Proposal]:
        """Yield what one version proposed."""
        yield from map(_proposal, self.entries(project, model_version))

    def _wanted(self, project: DemoProject[Item], folder: ModelFolder) -> Wanted:
        return Wanted(project.workflow.workflow_id, folder.card, self.presenter)


def _proposal(entry: Entry) -> Proposal:
    content: dict[str, Any] = dict(entry.proposal or {})
    return Proposal.model_validate(content)
