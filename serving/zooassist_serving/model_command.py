"""The command `zooassist model`: what is in a model folder, and which version answers?"""

from __future__ import annotations

import json

import click

from zooassist_plugin.model_card import ModelCard
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.repository.command import COMMANDS


@click.group()
def model() -> None:
    """Inspect and verify model folders; say which version answers."""


for command in COMMANDS:
    model.add_command(command)


@model.command(
    short_help="Say what a model is.",
    epilog="""\b
Examples:
  zooassist model inspect galaxy-zoo
  zooassist model inspect models/next --json""",
)
@click.argument("model_argument", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Print model.json as it is.")
def inspect(model_argument: str, as_json: bool) -> None:
    """Say what MODEL is: version, questions, inputs and outputs, metrics, licence."""
    card = load_model_folder(model_argument).card
    if as_json:
        click.echo(json.dumps(card.to_json(), indent=2, ensure_ascii=False))
        return
    for line in describe(card):
        click.echo(line)


def describe(card: ModelCard) -> list[str]:
    """Return the lines that `inspect` prints."""
    lines = [
        f"{card.name}, version {card.version} ({card.kind}), by {card.producer}",
        _seen(card),
        *(f"output {spec.name}: {spec.dtype} {list(spec.shape)}" for spec in card.outputs),
    ]
    for question in card.label_schema.questions if card.label_schema else ():
        answers = ", ".join(answer.label for answer in question.answers)
        after = f" (after {', '.join(question.asked_after)})" if question.asked_after else ""
        lines.append(f"question {question.name}{after}: {answers}")
    for target in card.targets:
        lines.append(
            f"target {target.label}: {target.low:g} to {target.high:g} in training, mean "
            f"{target.mean:g}, deviation {target.scale:g}"
        )
    for number, (name, threshold) in zip(card.class_numbers, card.thresholds.items(), strict=False):
        lines.append(f"class {number} {name}: from a probability of {threshold:g} on")
    if card.kind == "votes":
        names = ", ".join(card.calibration.questions) or "none"
        lines.append(f"calibrated questions: {names}")
    lines += [f"trained on {each.name}: {each.rows:,} rows" for each in card.learnt_from]
    lines += [f"metric {name}: {value:.4g}" for name, value in card.metrics.items()]
    lines += [f"licence: {card.licence}", *(f"credit: {credit}" for credit in card.credits)]
    return lines


def _seen(card: ModelCard) -> str:
    """Say how an image, or a volume, is prepared."""
    seen, stretch = card.preprocessing, card.preprocessing.stretch
    if seen.volume is not None:
        return (
            f"volume: slices of any size, {card.inputs[0].shape[-1]} modalities; percentiles "
            f"{seen.volume.low:g} to {seen.volume.high:g} of each"
        )
    fits = f"FITS: arcsinh of {stretch.q:g} x flux, percentiles {stretch.low:g} to {stretch.high:g}"
    if card.kind == "mask":
        return f"image: any size, in squares of {seen.size} px, scaled by {seen.scale:g}; {fits}"
    return f"image: {seen.size} x {seen.size} px, centre crop {seen.crop:g}; {fits}"
