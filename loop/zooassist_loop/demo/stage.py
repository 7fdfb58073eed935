"""Which steps does every demo go through, whatever it shows? The sandbox and what happens on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zooassist_loop.demo.crew import Answered, CrewReport, Look, send_crew
from zooassist_loop.demo.ending import retire_certain
from zooassist_loop.demo.narrator import Narrator
from zooassist_loop.demo.options import DemoOptions
from zooassist_loop.demo.project import DemoProject, Item, Plan, build_project
from zooassist_loop.demo.round import ProposedRound, Round
from zooassist_loop.retirement import Decision
from zooassist_plugin.progress import progress
from zooassist_plugin.sandbox.panoptes.accounts import OWNER, PASSWORD, VOLUNTEERS
from zooassist_plugin.sandbox.server import running_sandbox
from zooassist_plugin.settings import Settings
from zooassist_serving.model_folder import ModelFolder


@dataclass(frozen=True)
class Stage:
    """One run: its options, its folder, who tells of it, and when it began (monotonic seconds)."""

    options: DemoOptions
    narrator: Narrator
    work: Path
    began: float

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return round(time.monotonic() - self.began, 1)

    @property
    def ledger(self) -> str:
        """URL of the ledger."""
        return f"sqlite:///{self.work / 'ledger.sqlite'}"

    @contextmanager
    def sandbox(self, presenter: str) -> Iterator[Round]:
        """Run a sandbox, with the builder logged in, for the length of a ``with`` block."""
        with running_sandbox(self.work / "sandbox") as server:
            with self.narrator.step("Sandbox") as telling:
                telling.outcome = f"a Panoptes and a Caesar at {server.url}"
            settings = Settings(
                panoptes_endpoint=server.url,
                caesar_endpoint=server.url,
                username=OWNER,
                password=PASSWORD,
                ledger=self.ledger,
            )
            with Round.connect(settings, presenter) as builder:
                yield builder

    def project(self, builder: Round, images: Sequence[Item], plan: Plan) -> DemoProject[Item]:
        """Make the project and upload the images."""
        with self.narrator.step("Project") as telling, progress() as start:
            project = build_project(builder.panoptes, images, plan, start("upload", len(images)))
            telling.outcome = (
                f"{len(project.items)} subjects uploaded and verified, "
                f"workflow {project.workflow.workflow_id}"
            )
        return project

    def enable(self, builder: Round, project: DemoProject[Item], folder: ModelFolder) -> None:
        """Switch pre-fill on."""
        with self.narrator.step("Enable") as telling:
            telling.outcome = builder.enable(project, folder)

    def propose(
        self, builder: Round, project: DemoProject[Item], folder: ModelFolder, *, replace: bool
    ) -> ProposedRound:
        """Propose every subject with one model version."""
        again = " again" if replace else ""
        with self.narrator.step(f"Propose{again} with version {folder.card.version}") as telling:
            proposed = builder.propose(project, folder, replace)
            telling.outcome = proposed.told
        return proposed

    def volunteers(
        self,
        builder: Round,
        project: DemoProject[Item],
        sizes: Mapping[int, tuple[int, int]],
        answer: Callable[[Look], Answered],
    ) -> CrewReport:
        """Let the crew classify everything."""
        logins = VOLUNTEERS[: self.options.volunteers]
        with self.narrator.step("Volunteers") as telling, progress() as start:
            crew = send_crew(
                builder.endpoints,
                project.workflow,
                sizes,
                answer,
                logins,
                self.options.seed,
                start("classify", len(sizes) * len(logins)),
            )
            did = ", ".join(f"{count} {action}" for action, count in sorted(crew.actions.items()))
            telling.outcome = f"{crew.classifications} classifications: {did}"
        return crew

    def retire(
        self, builder: Round, project: DemoProject[Item], decisions: Mapping[int, Decision]
    ) -> frozenset[int]:
        """Retire what was decided."""
        with self.narrator.step("Retire") as telling:
            retired = retire_certain(builder.panoptes, project.workflow.workflow_id, decisions)
            telling.outcome = f"{len(retired)} of {len(project.items)} subjects are certain"
        return retired
