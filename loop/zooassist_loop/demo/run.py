"""The demo on galaxies: one round of the loop, from an empty sandbox to retired subjects."""

from __future__ import annotations

import time

from rich.console import Console

from zooassist_loop.demo.crowd import read_crowd
from zooassist_loop.demo.deep_field import cut_galaxies
from zooassist_loop.demo.ending import judge
from zooassist_loop.demo.galaxies import DemoData, DemoGalaxy
from zooassist_loop.demo.learning import Harvest, SplitError, error_on_test, harvest_votes
from zooassist_loop.demo.narrator import Narrator
from zooassist_loop.demo.options import DemoOptions
from zooassist_loop.demo.output_folder import output_folder
from zooassist_loop.demo.project import DemoProject
from zooassist_loop.demo.report import told_subjects, write_report
from zooassist_loop.demo.round import Round
from zooassist_loop.demo.stage import Stage
from zooassist_loop.demo.summary import SUMMARY, GalaxySummary
from zooassist_loop.demo.tasks import QUESTIONS, galaxy_plan, subtask_key
from zooassist_loop.demo.votes_folder import read_votes_folder
from zooassist_loop.retirement import RetirementRule
from zooassist_loop.volunteers import Temperament
from zooassist_serving.model_folder import ModelFolder, load_model_folder
from zooassist_training.fit_options import FitOptions
from zooassist_training.train_votes import VotesRecipe, train_votes

PRESENTER = "subtasks"
Answers = dict[int, tuple[float, ...]]


def run_demo(options: DemoOptions, console: Console) -> GalaxySummary:
    """Run the demo and write its folder, complete or not at all.

    Raises
    ------
    BadInput
        When `options.out` holds something that is not an earlier demo, or the data can't be used.
    """
    began = time.monotonic()
    with output_folder(options.out) as work:
        return _Demo(Stage(options, Narrator(console), work, began)).run()


class _Demo:
    """The steps of one run, each told and timed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._options, self._narrator, self._work = stage.options, stage.narrator, stage.work
        self._base = load_model_folder(stage.options.model)
        self._schema = self._base.card.schema_of_votes
        self._question = self._schema.question(QUESTIONS[0])

    def run(self) -> GalaxySummary:
        """Go once round the loop."""
        data, stage = self._galaxies(), self._stage
        with stage.sandbox(PRESENTER) as builder:
            project = stage.project(builder, data.galaxies, galaxy_plan(self._schema))
            stage.enable(builder, project, self._base)
            proposed = stage.propose(builder, project, self._base, replace=False)
            crowd = read_crowd(project, self._schema, Temperament())
            crew = stage.volunteers(builder, project, crowd.sizes, crowd.answer)
            harvest = self._export(builder, project)
            tuned = self._fine_tune()
            again = stage.propose(builder, project, tuned, replace=True)
            before, after = (
                builder.answers(project, folder.card.version, subtask_key(0))
                for folder in (self._base, tuned)
            )
            # The first version never saw these votes; the second learnt from them.
            verdicts = judge(harvest.training_set, self._question.name, before, RetirementRule())
            decisions = {subject: each.decision for subject, each in verdicts.items()}
            retired = stage.retire(builder, project, decisions)
            outlines = builder.outlines(project, tuned.card.version)
        error_before, error_after = (self._error(project, each) for each in (before, after))
        summary = GalaxySummary(
            subjects=len(project.items),
            proposals_written=proposed.written + again.written,
            proposals_read_back=proposed.read_back + again.read_back,
            classifications=crew.classifications,
            model_versions=len({self._base.card.version, tuned.card.version}),
            votes_rows=len(harvest.training_set),
            retired=len(retired),
            seconds=stage.seconds,
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
        told = told_subjects(project.items, outlines, before, after, verdicts, retired)
        write_report(self._work, summary, self._narrator.steps, self._question, told)
        summary.write(self._work / SUMMARY)
        return summary

    def _error(self, project: DemoProject[DemoGalaxy], answers: Answers) -> SplitError:
        """Compare the first answer's fraction with the crowd that the volunteers are drawn from."""
        name = self._question.name
        crowd = {subject: each.fractions[name][0] for subject, each in project.items.items()}
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

    def _export(self, builder: Round, project: DemoProject[DemoGalaxy]) -> Harvest:
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
