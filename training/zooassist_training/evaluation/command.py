"""The command `zooassist evaluate`: figures, a page to look at, a calibration; and masks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.output_paths import check_folder_takes_files, check_output_file
from zooassist_plugin.progress import progress
from zooassist_training.evaluation.masks.command import (
    NAMES,
    OF_FILES,
    evaluate_masks,
    mask_options,
    read_request,
)

if TYPE_CHECKING:
    from zooassist_serving.model_folder import ModelFolder
    from zooassist_training.evaluation.metrics import Metrics
    from zooassist_training.evaluation.run import Evaluation
    from zooassist_training.evaluation.value_run import ValueEvaluation

REPORT, METRICS = "report.html", "metrics.json"


class _Pair(click.ParamType[tuple[str, str]]):
    name = "KEY=VALUE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read ``natural_mix=1``."""
        if isinstance(value, tuple):
            return value
        key, sign, wanted = str(value).partition("=")
        if not key or not sign:
            self.fail(f"expected KEY=VALUE, got {value!r}", param, ctx)
        return key, wanted


@click.command(
    short_help="Measure a model on a training set, or predicted masks on true ones.",
    epilog="""\b
Examples:
  zooassist evaluate galaxy-zoo training-set --out evaluation
  zooassist evaluate galaxy-zoo training-set --where natural_mix=1 --out report.html
  zooassist evaluate models/first training-set --fit-calibration --out-model models/calibrated
  zooassist evaluate --predicted masks --truth gold --metric dice --metric hd95
  zooassist evaluate --predicted runs/a --truth brats --metric lesionwise --challenge MEN""",
)
@click.argument("model", required=False)
@click.argument("training_set", required=False, type=click.Path(path_type=Path))
@mask_options
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test", "all"]),
    default="test",
    show_default=True,
    help="Subjects to measure on.",
)
@click.option(
    "--where",
    type=_Pair(),
    multiple=True,
    help="Only subjects with this in their metadata; may be repeated.",
)
@click.option(
    "--map",
    "overrides",
    type=_Pair(),
    metavar="TASK=QUESTION",
    multiple=True,
    help="The set's task (or metadata) that means this question (or target) of the model; may be "
    "repeated.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("evaluation"),
    show_default=True,
    help="Folder for report.html and metrics.json, or the name of the page.",
)
@click.option(
    "--fit-calibration", is_flag=True, help="Fit a calibration on the validation split, and use it."
)
@click.option(
    "--out-model",
    type=click.Path(path_type=Path),
    help="Write the model with the fitted calibration as this new folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace the model folder --out-model.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads. Default: all cores.")
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    out: Path,
    out_model: Path | None,
    overwrite: bool,
    **options: Any,  # noqa: ANN401 - see _votes
) -> None:
    """Compare what MODEL predicts for TRAINING_SET with what its volunteers answered, or values.

    Writes a page to look at and every figure as JSON: accuracy per question (all, and confident
    answers), errors of vote fractions, likelihood of the votes, coverage, reliability, confusion,
    results by number of votes, best and worst subjects. MODEL is a folder or a bundled name.

    Questions are matched by their words. A model that `train votes --regress` made is held against
    the values in the subjects' metadata: errors, explained variance, coverage of intervals, and
    predicted against true. Exit code 1: some images could not be used, and are named.

    A model of masks or volumes draws them for the split's images, and they are held against the
    set's: --metric says by what, class by class; the page shows the best and the worst.

    With --predicted and --truth instead, masks of one name are compared (PNG, TIFF, NIfTI, folders
    of slices), and every figure goes to mask-metrics.json.
    """
    about_masks = {name: options.pop(name) for name in NAMES}
    if about_masks["predicted"] is not None or about_masks["truth"] is not None:
        _refuse_given(context, [name for name in options if name not in NAMES])
        _end(evaluate_masks(about_masks, out))
        return
    if options["model"] is None or options["training_set"] is None:
        raise BadInput(
            "evaluate: expected MODEL and TRAINING_SET, or --predicted and --truth with masks"
        )
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if out_model is not None and not options["fit_calibration"]:
        raise BadInput("--out-model: expected --fit-calibration beside it, to have what to write")
    # Imported here: `zooassist evaluate --help` needs neither torch nor onnxruntime.
    from zooassist_serving.model_folder import load_model_folder

    page, figures = _places(out)
    folder = load_model_folder(options["model"])
    if folder.card.kind in ("mask", "volume"):
        _refuse_given(context, [*OF_FILES, "overrides", "fit_calibration", "out_model"])
        _end(_masks(page, figures, folder, about_masks, **options))
        return
    _refuse_given(context, list(about_masks))
    if folder.card.targets:
        problems = _values(page, figures, folder, **options)
    else:
        problems = _votes(page, figures, out_model, overwrite, **options).problems
    _end(problems)


def _refuse_given(context: click.Context, names: Sequence[str]) -> None:
    """Refuse options that would be passed over; they are of the other kind of evaluation."""
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
        if parameter.name in names and given:
            raise BadInput(
                f"{parameter.opts[0]}: expected either a model and a training set with their "
                "options, or --predicted and --truth with those of masks; leave it out"
            )


def _end(problems: Sequence[ItemFailed]) -> None:
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    if problems:
        raise SystemExit(1)


def _places(out: Path) -> tuple[Path, Path]:
    """Return where the page and the figures go; asked before the work."""
    if out.suffix.lower() == ".html":
        check_output_file(out, ".html")
        figures = METRICS if out.name == REPORT else f"{out.stem}-{METRICS}"
        return out, out.with_name(figures)
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out}: expected a folder, or a name that ends with .html; found a file")
    check_folder_takes_files(out)
    return out / REPORT, out / METRICS


def _votes(
    page: Path,
    figures: Path,
    out_model: Path | None,
    overwrite: bool,
    *,
    where: tuple[tuple[str, str], ...],
    overrides: tuple[tuple[str, str], ...],
    **options: Any,  # noqa: ANN401 - the fields of Request
) -> Evaluation:
    """Evaluate a model that answers questions."""
    from zooassist_serving.model_folder import check_model_place
    from zooassist_training.evaluation.calibrated_folder import write_calibrated
    from zooassist_training.evaluation.record import write_metrics
    from zooassist_training.evaluation.report.page import write_report
    from zooassist_training.evaluation.run import Request, evaluate_model

    if out_model is not None:
        check_model_place(out_model, overwrite=overwrite)
    with progress() as start:
        request = Request(where=dict(where), overrides=dict(overrides), **options)
        evaluation = evaluate_model(request, start)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_metrics(evaluation, figures)
    write_report(evaluation, page)
    _say(evaluation)
    click.echo(f"{page}, {figures}")
    if out_model is not None:
        made = write_calibrated(evaluation, out_model, overwrite=overwrite)
        click.echo(
            f"{out_model}: model {made.card.name} {made.card.version}, calibrated questions: "
            f"{len(evaluation.calibration.questions)}"
        )
    return evaluation


def _values(
    page: Path,
    figures: Path,
    folder: ModelFolder,
    *,
    where: tuple[tuple[str, str], ...],
    overrides: tuple[tuple[str, str], ...],
    **options: Any,  # noqa: ANN401 - the fields of Request
) -> tuple[ItemFailed, ...]:
    """Evaluate a model that predicts values; returns the images that could not be used."""
    from zooassist_training.evaluation.report.values_page import write_value_report
    from zooassist_training.evaluation.run import Request
    from zooassist_training.evaluation.value_record import write_value_metrics
    from zooassist_training.evaluation.value_run import evaluate_values

    with progress() as start:
        request = Request(where=dict(where), overrides=dict(overrides), **options)
        evaluation = evaluate_values(request, folder, start)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_value_metrics(evaluation, figures)
    write_value_report(evaluation, page)
    _say_subjects(evaluation, evaluation.metrics.subjects)
    for line in evaluation.remarks:
        click.echo(f"  {line}")
    if evaluation.not_compared:
        click.echo(f"  not compared: {', '.join(evaluation.not_compared)}")
    click.echo(
        f"  {'target':26} {'subjects':>8} {'RMSE':>10} {'MAE':>10} {'bias':>10} {'R2':>7} "
        "  coverage at 50, 80, 95 %"
    )
    for each in evaluation.metrics.targets:
        told = ", ".join(f"{100 * at.observed:.0f}" for at in each.told)
        click.echo(
            f"  {each.target.label:26} {each.subjects:8} {each.rmse:10.4g} {each.mae:10.4g} "
            f"{each.bias:+10.3g} {each.r2:7.3f}   {told}{'  (few)' if each.few else ''}"
        )
    click.echo(f"{page}, {figures}")
    return evaluation.problems


def _masks(
    page: Path,
    figures: Path,
    folder: ModelFolder,
    about_masks: Mapping[str, Any],
    *,
    where: tuple[tuple[str, str], ...],
    overrides: tuple[tuple[str, str], ...],
    **options: Any,  # noqa: ANN401 - the fields of Request
) -> tuple[ItemFailed, ...]:
    """Evaluate a model that draws masks; returns the images that could not be used."""
    from zooassist_training.evaluation.masks.model_run import evaluate_mask_model
    from zooassist_training.evaluation.masks.summary import (
        summarise_rows,
        table_lines,
        write_mask_metrics,
    )
    from zooassist_training.evaluation.report.masks_page import about, write_mask_report
    from zooassist_training.evaluation.run import Request

    with progress() as start:
        request = Request(where=dict(where), overrides=dict(overrides), **options)
        evaluation = evaluate_mask_model(request, folder, read_request(about_masks), start)
    summaries = summarise_rows(evaluation.rows, evaluation.metrics)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_mask_metrics(
        figures,
        evaluation.rows,
        summaries,
        evaluation.metrics,
        evaluation.problems,
        about(evaluation),
    )
    write_mask_report(evaluation, summaries, page)
    card = folder.card
    what = "volumes" if card.kind == "volume" else "images"
    click.echo(
        f"model {card.name} {card.version} on the split {request.split!r} of "
        f"{request.training_set}: {evaluation.images} {what}"
    )
    if evaluation.learnt_from == "yes":
        click.echo("  the model learnt from these images: they say nothing of others")
    if evaluation.learnt_from == "perhaps":
        click.echo("  the model learnt from this split of another set: are there common images?")
    if evaluation.chosen_by:
        click.echo("  the validation split chose the model's epoch: it flatters a little")
    if evaluation.not_compared:
        click.echo(f"  not compared: {', '.join(evaluation.not_compared)}")
    for line in table_lines(summaries):
        click.echo(line)
    click.echo(f"{page}, {figures}")
    return evaluation.problems


def _say(evaluation: Evaluation) -> None:
    _say_subjects(evaluation, evaluation.after.galaxies)
    for line in evaluation.comparison.left_out:
        click.echo(f"  not compared: {line}")
    if evaluation.chosen_by:
        click.echo(
            "  the validation split chose the model's epoch and calibration: it flatters a little"
        )
    if evaluation.fitted_on_learnt:
        click.echo(
            "  the model learnt from the validation split of another set: with common subjects the "
            "calibration trusts it too much"
        )
    if evaluation.assumed_votes is not None:
        click.echo(f"  votes are fractions of {evaluation.assumed_votes} assumed volunteers")
    if evaluation.fit is not None and not evaluation.fit.calibration:
        click.echo(
            "  no calibration explains the validation split's votes clearly better than none"
        )
    if evaluation.after is not evaluation.before:
        _table("not calibrated", evaluation.before)
    _table("calibrated" if evaluation.calibration else "not calibrated", evaluation.after)


def _say_subjects(evaluation: Evaluation | ValueEvaluation, subjects: int) -> None:
    card, request = evaluation.folder.card, evaluation.request
    click.echo(
        f"model {card.name} {card.version} on the split {request.split!r} of "
        f"{request.training_set}: {subjects} subjects"
    )
    if evaluation.learnt_from == "yes":
        click.echo("  the model learnt from these subjects: they say nothing of others")
    if evaluation.learnt_from == "perhaps":
        click.echo("  the model learnt from this split of another set: are there common subjects?")


def _table(title: str, metrics: Metrics) -> None:
    click.echo(
        f"{title}: RMSE over cumulative columns {metrics.scores.rmse:.4f}, log-likelihood "
        f"{metrics.log_likelihood:.3f} per subject"
    )
    click.echo(
        f"  {'question':26} {'subjects':>8} {'accuracy':>8} {'confident':>9} "
        f"{'MAE':>6} {'RMSE':>6} {'coverage error at 80 %':>22}"
    )
    for each in metrics.questions:
        at_80 = each.coverage.level(0.8)
        click.echo(
            f"  {each.name:26} {each.score.galaxies:8} {each.score.accuracy:8.3f} "
            f"{each.score.confident_accuracy:9.3f} {each.error.mean_absolute:6.3f} "
            f"{each.error.root_mean_square:6.3f} {at_80.error_points:+12.1f} ± "
            f"{100 * at_80.standard_error:.1f} points{'  (few)' if each.few else ''}"
        )
