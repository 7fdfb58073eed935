"""The demo: one round of the loop, from an empty sandbox to retired subjects and a page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from zooassist_loop.demo.crew import CrewReport, send_crew
from zooassist_loop.demo.crowd import read_crowd
from zooassist_loop.demo.deep_field import cut_galaxies
from zooassist_loop.demo.ending import Verdict, judge, retire_certain
from zooassist_loop.demo.galaxies import DemoData
from zooassist_loop.demo.learning import Harvest, SplitError, error_on_test, harvest_votes
from zooassist_loop.demo.narrator import Narrator
from zooassist_loop.demo.output_folder import output_folder
from zooassist_loop.demo.project import DemoProject, build_project
from zooassist_loop.demo.report import told_subjects, write_report
from zooassist_loop.demo.round import ProposedRound, Round
from zooassist_loop.demo.summary import SUMMARY, Summary
from zooassist_loop.demo.tasks import QUESTIONS, subtask_key
from zooassist_loop.demo.votes_folder import read_votes_folder
from zooassist_loop.retirement import RetirementRule
from zooassist_loop.volunteers import Temperament
from zooassist_plugin.errors import BadInput
from zooassist_plugin.progress import progress
from zooassist_plugin.sandbox.panoptes.accounts import OWNER, PASSWORD, VOLUNTEERS
from zooassist_plugin.sandbox.server import running_sandbox
from zooassist_plugin.settings import Settings
from zooassist_serving.model_folder import ModelFolder, load_model_folder
from zooassist_training.fit_options import FitOptions
from zooassist_training.train_votes import VotesRecipe, train_votes

Answers = dict[int, tuple[float, ...]]


@dataclass(frozen=True)
class DemoOptions:
    """How to run the demo.

    Attributes
    ----------
    data : Path or None
        A folder of images with ``votes.csv``; None cuts the Hubble Deep Field.
    subjects, volunteers : int
        How many galaxies are shown, and how many simulated people look at each.
    epochs : int
        Of fine-tuning.
    """

    out: Path
    data: Path | None = None
    model: str = "galaxy-zoo"
    subjects: int = 72
    volunteers: int = 7
    epochs: int = 12
    seed: int = 1

    def __post_init__(self) -> None:
        if self.subjects < 12:
            raise BadInput(f"--subjects: expected 12 or more to learn from, got {self.subjects}")
        if not 1 <= self.volunteers <= len(VOLUNTEERS):
            raise BadInput(
                f"--volunteers: the sandbox has accounts for 1 to {len(VOLUNTEERS)}, "
                f"got {self.volunteers}"
            )


def run_demo(options: DemoOptions, console: Console) -> Summary:
    """Run the demo and write its folder, complete or not at all.

    Raises
    ------
    BadInput
        When `options.out` holds something that is not an earlier demo, or the data can't be used.
    """
    with output_folder(options.out) as work:
        return _Demo(options, Narrator(console), work).run()


class _Demo:
    """The steps of one run, each told and timed."""

    def __init__(self, options: DemoOptions, narrator: Narrator, work: Path) -> None:
        self._began = time.monotonic()
        self._options, self._narrator, self._work = options, narrator, work
        self._base = load_model_folder(options.model)
        self._schema = self._base.card.schema_of_votes
        self._question = self._schema.question(QUESTIONS[0])

    def run(self) -> Summary:
        """Go once round the loop."""
        data = self._galaxies()
        with self._sandbox() as builder:
            project = self._project(builder, data)
            self._enable(builder, project)
            proposed = self._propose(builder, project, self._base, replace=False)
            crew = self._volunteers(builder, project)
            harvest = self._export(builder, project)
            tuned = self._fine_tune()
            again = self._propose(builder, project, tuned, replace=True)
            before, after = (
                builder.answers(project, folder.card.version, subtask_key(0))
                for folder in (self._base, tuned)
            )
            verdicts, retired = self._retire(builder, project, harvest, before)
            outlines = builder.outlines(project, tuned.card.version)
        error_before, error_after = (self._error(project, each) for each in (before, after))
        summary = Summary(
            subjects=len(project.galaxies),
            proposals_written=proposed.written + again.written,
            proposals_read_back=proposed.read_back + again.read_back,
            classifications=crew.classifications,
            model_versions=len({self._base.card.version, tuned.card.version}),
            votes_rows=len(harvest.training_set),
            retired=len(retired),
            seconds=round(time.monotonic() - self._began, 1),
            source=data.source,
            votes_are_real=data.votes_are_real,
            seed=self._options.seed,
            versions=[self._base.card.version, tuned.card.version],
            actions={action: crew.actions[action] for action in sorted(crew.actions)},
            rmse_before=error_before.rmse,
            rmse_after=error_after.rmse,
            rmse_subjects=error_after.subjects,
            problems=[
                *data.problems,
                *project.problems,
                *proposed.problems,
                *again.problems,
                *harvest.problems,
            ],
        )
        told = told_subjects(project.galaxies, outlines, before, after, verdicts, retired)
        write_report(self._work, summary, self._narrator.steps, self._question, told)
        summary.write(self._work / SUMMARY)
        return summary

    def _error(self, project: DemoProject, answers: Answers) -> SplitError:
        """Compare the first answer's fraction with the crowd that the volunteers are drawn from."""
        name = self._question.name
        crowd = {subject: each.fractions[name][0] for subject, each in project.galaxies.items()}
        return error_on_test({subject: each[0] for subject, each in answers.items()}, crowd)

    def _galaxies(self) -> DemoData:
        options = self._options
        with self._narrator.step("Galaxies") as telling:
            if options.data is None:
                data = cut_galaxies(self._work / "images", options.subjects)
            else:
                data = read_votes_folder(
                    options.data, self._schema, self._work, options.subjects, options.seed
                )
            telling.outcome = data.source
        return data

    @contextmanager
    def _sandbox(self) -> Iterator[Round]:
        with running_sandbox(self._work / "sandbox") as server:
            with self._narrator.step("Sandbox") as telling:
                telling.outcome = f"a Panoptes and a Caesar at {server.url}"
            settings = Settings(
                panoptes_endpoint=server.url,
                caesar_endpoint=server.url,
                username=OWNER,
                password=PASSWORD,
                ledger=f"sqlite:///{self._work / 'ledger.sqlite'}",
            )
            with Round.connect(settings) as builder:
                yield builder

    def _project(self, builder: Round, data: DemoData) -> DemoProject:
        with self._narrator.step("Project") as telling, progress() as start:
            project = build_project(
                builder.panoptes, data, self._schema, start("upload", len(data.galaxies))
            )
            telling.outcome = (
                f"{len(project.galaxies)} subjects uploaded and verified, "
                f"workflow {project.workflow.workflow_id}"
            )
        return project

    def _enable(self, builder: Round, project: DemoProject) -> None:
        with self._narrator.step("Enable") as telling:
            telling.outcome = builder.enable(project, self._base)

    def _propose(
        self, builder: Round, project: DemoProject, folder: ModelFolder, *, replace: bool
    ) -> ProposedRound:
        again = " again" if replace else ""
        with self._narrator.step(f"Propose{again} with version {folder.card.version}") as telling:
            proposed = builder.propose(project, folder, replace)
            telling.outcome = proposed.told
        return proposed

    def _volunteers(self, builder: Round, project: DemoProject) -> CrewReport:
        logins = VOLUNTEERS[: self._options.volunteers]
        with self._narrator.step("Volunteers") as telling, progress() as start:
            crowd = read_crowd(project, self._schema)
            crew = send_crew(
                builder.endpoints,
                project.workflow,
                crowd,
                logins,
                Temperament(),
                self._options.seed,
                start("classify", len(crowd) * len(logins)),
            )
            did = ", ".join(f"{count} {action}" for action, count in sorted(crew.actions.items()))
            telling.outcome = f"{crew.classifications} classifications: {did}"
        return crew

    def _export(self, builder: Round, project: DemoProject) -> Harvest:
        with self._narrator.step("Export") as telling:
            harvest = harvest_votes(
                builder.panoptes,
                project.workflow,
                self._schema,
                self._work / "exports",
                self._work / "training-set",
            )
            telling.outcome = f"{len(harvest.training_set)} subjects with votes"
        return harvest

    def _fine_tune(self) -> ModelFolder:
        with self._narrator.step("Fine-tune") as telling:
            recipe = VotesRecipe(
                name=self._base.card.name,
                start=self._base.path,
                # A few dozen subjects: small batches, a short memory for the averaged weights.
                fit=FitOptions(
                    epochs=self._options.epochs,
                    batch_size=16,
                    learning_rate=5e-4,
                    patience=0,
                    averaging=0.9,
                    seed=self._options.seed,
                ),
            )
            trained = train_votes(self._work / "training-set", self._work / "model-2", recipe)
            telling.outcome = (
                f"version {trained.folder.card.version} from {trained.images} subjects, "
                f"{trained.epochs} epochs"
            )
        return trained.folder

    def _retire(
        self, builder: Round, project: DemoProject, harvest: Harvest, prior: Answers
    ) -> tuple[dict[int, Verdict], frozenset[int]]:
        with self._narrator.step("Retire") as telling:
            # The first version never saw these votes; the second learnt from them.
            verdicts = judge(harvest.training_set, self._question.name, prior, RetirementRule())
            retired = retire_certain(builder.panoptes, project.workflow.workflow_id, verdicts)
            telling.outcome = f"{len(retired)} of {len(project.galaxies)} subjects are certain"
        return verdicts, retired
