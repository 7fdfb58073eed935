"""Which options does `zooassist train votes` take? Grouped as its help shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object on the command line."""

    name = "JSON"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Read a JSON object such as ``{"channels": [24, 48, 96, 176]}``."""
        if isinstance(value, dict):
            return value
        try:
            content = json.loads(str(value))
        except ValueError as error:
            self.fail(f"expected a JSON object, got {value!r} ({error})", param, ctx)
        if not isinstance(content, dict):
            self.fail(f"expected a JSON object, got {value!r}", param, ctx)
        return content


AVERAGING = 0.998

NETWORK = (
    click.option(
        "--from",
        "start",
        metavar="MODEL",
        help="Go on from this model folder or bundled model (fine-tuning).",
    ),
    click.option(
        "--encoder",
        default="small",
        show_default=True,
        help="small, tiny, any timm name, hf_hub:owner/name, or local-dir:folder.",
    ),
    click.option("--encoder-options", type=JsonObject(), default="{}", help="Arguments for timm."),
    click.option("--pretrained", is_flag=True, help="Start from the weights that timm publishes."),
    click.option(
        "--size", type=click.IntRange(8, 2048), default=96, show_default=True, help="Pixels."
    ),
    click.option(
        "--crop",
        type=click.FloatRange(0, 1, min_open=True),
        default=1.0,
        show_default=True,
        help="Side of the centre that is kept, of the image's shorter side.",
    ),
    click.option(
        "--stretch",
        type=(float, float, float),
        metavar="Q LOW HIGH",
        help="FITS: arcsinh(Q x flux), then the percentiles LOW and HIGH become black and white. "
        "Default: 1 0 99.7.",
    ),
    click.option("--greyscale", is_flag=True, help="Take the colour out, inside the graph."),
    click.option(
        "--head",
        "concentrations",
        default="exponential",
        show_default=True,
        help="How concentrations are made: exponential, softplus, sigmoid-100.",
    ),
    click.option("--dropout", type=float, default=0.2, show_default=True, help="Of the head."),
    click.option(
        "--samples",
        type=click.IntRange(1, 1000),
        help="Posterior samples per network, all in one pass; 1 is deterministic. Default: 20.",
    ),
    click.option(
        "--members",
        type=click.IntRange(1, 100),
        help="Train so many networks and put them in one model (deep ensemble). Default: 1.",
    ),
    click.option(
        "--store",
        type=click.Choice(["float32", "float16", "int8"]),
        default="float32",
        show_default=True,
        help="How weights are kept; float16 halves the file, int8 quarters it.",
    ),
)
FITTING = (
    click.option(
        "--regress",
        multiple=True,
        metavar="COLUMN[=UNIT],…",
        help="Learn these numbers of the subjects' metadata in place of the votes (redshift, "
        "radius=arcsec); may be repeated.",
    ),
    click.option(
        "--epochs", type=click.IntRange(1), default=30, show_default=True, help="At most."
    ),
    click.option(
        "--patience",
        type=click.IntRange(0),
        default=10,
        show_default=True,
        help="Stop after so many epochs without a lower validation loss; 0: never.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(2),
        default=64,
        show_default=True,
        help="Images per step and device.",
    ),
    click.option(
        "--accumulate",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Batches whose gradients are added up before a step.",
    ),
    click.option("--learning-rate", type=float, help="Highest; default 2e-3, with --from 5e-4."),
    click.option(
        "--averaging",
        type=float,
        help=f"Decay of the averaged weights, per step; default {AVERAGING}.",
    ),
    click.option(
        "--train",
        default="all",
        show_default=True,
        help="What learns: all, head, or last:N blocks of the encoder.",
    ),
    click.option("--head-only", is_flag=True, help="The same as --train head."),
    click.option(
        "--few-labels/--no-few-labels",
        default=None,
        help="Fit the head alone, held back as cross-validation says. Default: with fewer than 200 "
        "images and an encoder that knows something, unless --train or --epochs is given.",
    ),
    click.option(
        "--layer-decay",
        type=click.FloatRange(0, 1, min_open=True),
        default=1.0,
        show_default=True,
        help="Learning rate of a layer, of that of the layer above; usual is 0.75.",
    ),
    click.option(
        "--class-weights",
        metavar="balanced|COLUMN=W,…",
        help="How much each answer counts; balanced: all answers of a question equally.",
    ),
    click.option(
        "--inclusion-weights/--no-inclusion-weights",
        default=True,
        show_default=True,
        help="Weigh images by one over their inclusion probability.",
    ),
    click.option(
        "--train-on-validation", is_flag=True, help="Learn from the validation split too."
    ),
    click.option("--seed", type=int, default=1, show_default=True, help="Of all randomness."),
)
AUGMENTATION = (
    click.option("--upright", is_flag=True, help="Images have an up direction: do not turn them."),
    click.option("--still", is_flag=True, help="Do not change images at all."),
    click.option("--no-flip", is_flag=True, help="Do not mirror images."),
    click.option(
        "--zoom",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.1,
        show_default=True,
        help="Largest change of scale, as a natural logarithm.",
    ),
    click.option(
        "--shift",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.04,
        show_default=True,
        help="Largest shift, of the image's side.",
    ),
    click.option(
        "--brightness",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.1,
        show_default=True,
        help="Largest relative change of brightness.",
    ),
)
MACHINE = (
    click.option(
        "--precision",
        type=click.Choice(["32", "bf16", "16"]),
        default="32",
        show_default=True,
        help="Bits; bf16 is faster where the processor or card has it.",
    ),
    click.option(
        "--threads", type=click.IntRange(1), help="Processor threads. Default: all cores."
    ),
    click.option(
        "--devices",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Cards (or processes) that train together.",
    ),
    click.option(
        "--strategy",
        type=click.Choice(["auto", "ddp_spawn", "ddp_fork"]),
        default="auto",
        show_default=True,
        help="How the processes of --devices are started.",
    ),
    click.option(
        "--checkpoints",
        type=click.Path(path_type=Path),
        help="Keep checkpoints here, and go on from the last one after a break.",
    ),
)
RESULT = (
    click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write."),
    click.option("--name", help="Name of the model; by default that of the folder."),
    click.option("--licence", default="not stated", help="Of the data, for model.json."),
    click.option("--credit", "credits", multiple=True, help="Whom to thank; may be repeated."),
    click.option("--overwrite", is_flag=True, help="Replace an existing model folder."),
)


SECTIONS = {
    "What is written": RESULT,
    "The network": NETWORK,
    "How it learns": FITTING,
    "How images are changed in training": AUGMENTATION,
    "The machine": MACHINE,
}


class SectionedCommand(click.Command):
    """A command whose help shows the options of `with_sections` under their titles."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list per section, and one of what is in none."""
        listed: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                listed.setdefault(getattr(param, "section", "Other"), []).append(record)
        for title, records in listed.items():
            with formatter.section(title):
                formatter.write_dl(records)


def with_sections(
    sections: Mapping[str, Sequence[Callable[[Command], Command]]],
) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the options of all sections, in their order."""

    def decorate(command: Command) -> Command:
        for title, group in reversed(list(sections.items())):
            for option in reversed(group):
                command = option(command)
                # click hands out no option before it is on a command.
                vars(command)["__click_params__"][-1].section = title
        return command

    return decorate


def sectioned_options(command: Command) -> Command:
    """Give a command the options of `SECTIONS`, in their order."""
    return with_sections(SECTIONS)(command)
