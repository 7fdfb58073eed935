"""The demo: one round of the loop, from an empty sandbox to retired subjects and a page."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from zooassist_exporters.progress import progress
from zooassist_loop.demo.crew import send_crew
from zooassist_loop.demo.crowd import read_crowd
from zooassist_loop.demo.deep_field import cut_galaxies
from zooassist_loop.demo.ending import judge, retire_certain
from zooassist_loop.demo.galaxies import DemoData
from zooassist_loop.demo.learning import harvest_votes, test_error
from zooassist_loop.demo.narrator import Narrator
from zooassist_loop.demo.project import build_project
from zooassist_loop.demo.report import told_subjects, write_report
from zooassist_loop.demo.round import Round
from zooassist_loop.demo.summary import Summary
from zooassist_loop.demo.tasks import QUESTIONS, subtask_key
from zooassist_loop.demo.votes_folder import read_votes_folder
from zooassist_loop.retirement import RetirementRule
from zooassist_loop.volunteers import Temperament
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.sandbox.panoptes.accounts import OWNER, PASSWORD, VOLUNTEERS
from zooassist_plugin.sandbox.server import running_sandbox
from zooassist_plugin.settings import Settings
from zooassist_serving.model_folder import load_model_folder
from zooassist_training.fit import FitOptions
from zooassist_training.train_votes import VotesRecipe, train_votes

SUMMARY = "summary.json"


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
    began = time.monotonic()
    work = _work_folder(options.out)
    narrator = Narrator(console)
    base = load_model_folder(options.model)
    schema = base.card.schema_of_votes
    question = schema.question(QUESTIONS[0])
    with narrator.step("Galaxies") as telling:
        data = _read_data(options, schema, work)
        telling.outcome = data.source
    with ExitStack() as stack:
        with narrator.step("Sandbox") as telling:
            server = stack.enter_context(running_sandbox(work / "sandbox"))
            telling.outcome = f"a Panoptes and a Caesar at {server.url}"
        settings = Settings(
            panoptes_endpoint=server.url,
            caesar_endpoint=server.url,
            username=OWNER,
            password=PASSWORD,
            ledger=f"sqlite:///{work / 'ledger.sqlite'}",
        )
        first = stack.enter_context(Round.connect(settings))
        with narrator.step("Project") as telling, progress() as start:
            project = build_project(
                first.panoptes, data, schema, start("upload", len(data.galaxies))
            )
            telling.outcome = (
                f"{len(project.galaxies)} subjects uploaded and verified, workflow "
                f"{project.workflow.workflow_id}"
            )
        with narrator.step("Enable") as telling:
            telling.outcome = first.enable(project, base)
        with narrator.step(f"Propose with version {base.card.version}") as telling:
            proposed = first.propose(project, base, replace=False)
            telling.outcome = proposed.told
        with narrator.step("Volunteers") as telling, progress() as start:
            logins = VOLUNTEERS[: options.volunteers]
            crowd = read_crowd(project, schema)
            crew = send_crew(
                (server.url, server.url),
                project.workflow,
                crowd,
                logins,
                Temperament(),
                options.seed,
                start("classify", len(crowd) * len(logins)),
            )
            did = ", ".join(f"{count} {action}" for action, count in sorted(crew.actions.items()))
            telling.outcome = f"{crew.classifications} classifications: {did}"
        with narrator.step("Export") as telling:
            harvest = harvest_votes(
                first.panoptes, project.workflow, schema, work / "exports", work / "training-set"
            )
            telling.outcome = f"{len(harvest.training_set)} subjects with votes"
        with narrator.step("Fine-tune") as telling:
            recipe = VotesRecipe(
                name=base.card.name,
                start=base.path,
                fit=FitOptions(
                    epochs=options.epochs,
                    batch_size=16,
                    learning_rate=5e-4,
                    patience=0,
                    averaging=0.9,
                    seed=options.seed,
                ),
            )
            trained = train_votes(work / "training-set", work / "model-2", recipe)
            telling.outcome = (
                f"version {trained.folder.card.version} from {trained.images} subjects, "
                f"{trained.epochs} epochs"
            )
        with narrator.step(f"Propose again with version {trained.folder.card.version}") as telling:
            again = first.propose(project, trained.folder, replace=True)
            telling.outcome = again.told
        with narrator.step("Retire") as telling:
            before = first.answers(project, base.card.version, subtask_key(0))
            after = first.answers(project, trained.folder.card.version, subtask_key(0))
            # The first version never saw these votes; the second learnt from them.
            verdicts = judge(harvest.training_set, question.name, before, RetirementRule())
            retired = retire_certain(first.panoptes, project.workflow.workflow_id, verdicts)
            telling.outcome = f"{len(retired)} of {len(project.galaxies)} subjects are certain"
        outlines = first.outlines(project, trained.folder.card.version)
    truth = {
        subject: galaxy.fractions[question.name][0] for subject, galaxy in project.galaxies.items()
    }
    rmse_before, rmse_subjects = test_error({s: a[0] for s, a in before.items()}, truth)
    rmse_after, _ = test_error({s: a[0] for s, a in after.items()}, truth)
    versions = sorted({base.card.version, trained.folder.card.version})
    summary = Summary(
        subjects=len(project.galaxies),
        proposals_written=proposed.written + again.written,
        proposals_read_back=proposed.read_back + again.read_back,
        classifications=crew.classifications,
        model_versions=len(versions),
        votes_rows=len(harvest.training_set),
        retired=len(retired),
        seconds=round(time.monotonic() - began, 1),
        source=data.source,
        votes_are_real=data.votes_are_real,
        seed=options.seed,
        versions=[base.card.version, trained.folder.card.version],
        actions={action: crew.actions[action] for action in sorted(crew.actions)},
        rmse_before=rmse_before,
        rmse_after=rmse_after,
        rmse_subjects=rmse_subjects,
        problems=[
            *data.problems,
            *project.problems,
            *proposed.problems,
            *again.problems,
            *harvest.problems,
        ],
    )
    told = told_subjects(project.galaxies, outlines, before, after, verdicts, retired)
    write_report(work, summary, narrator.steps, question, told)
    summary.write(work / SUMMARY)
    _publish(work, options.out)
    return summary


def _read_data(options: DemoOptions, schema: LabelSchema, work: Path) -> DemoData:
    if options.data is None:
        return cut_galaxies(work / "images", options.subjects)
    return read_votes_folder(options.data, schema, work, options.subjects, options.seed)


def _work_folder(out: Path) -> Path:
    """Return an empty folder beside `out`; an earlier demo at `out` stays until this one is done.

    Raises
    ------
    BadInput
        When `out` holds something else.
    """
    if out.exists() and not (out / SUMMARY).is_file() and any(out.iterdir()):
        raise BadInput(
            f"{out}: expected a new folder or an earlier demo, found something else; "
            "choose another --out"
        )
    work = out.with_name(f".{out.name}.partial").absolute()
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    return work


def _publish(work: Path, out: Path) -> None:
    """Put the finished folder in place of an earlier one."""
    if out.exists():
        shutil.rmtree(out)
    work.rename(out)
