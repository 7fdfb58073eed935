"""How is a choice of slices shown? Lines for a terminal, tables, and a page with the curves."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from zooassist_loop.curves_picture import STYLE, Curve, curves_picture
from zooassist_loop.slices import AUDIT, KEEP, SEND, Calibration, SliceChoice, SliceRule
from zooassist_plugin import __version__
from zooassist_plugin.output_paths import temporary_beside, writing

PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Slices</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right;
border-bottom:1px solid #ddd}
td{white-space:nowrap}td:first-child,th:first-child{text-align:left}tr.chosen{font-weight:bold}
svg{width:100%;height:auto}{{ curve_style }}</style>
<h1>Which slices need a person?</h1>
<p>{{ slices }} slices of {{ volumes }} volumes with known truth. Quality: {{ rule.quality }},
target {{ "%.3f"|format(rule.target) }} with a probability of
{{ "%.0f"|format(100 * rule.confidence) }} %.</p>
{{ picture }}
<p>Share of slices that is sent, and the quality of what is left (line; the dotted line of the
chosen scorer is its bound).</p>
<table><tr><th>scorer<th>share to send<th>quality<th>bound<th>contour redrawn<th>time<th>share until
corrected volumes reach the target</tr>
{% for each in calibrations %}<tr{% if each.scorer == rule.scorer %} class="chosen"{% endif %}>
<td>{{ each.scorer }}<td>{{ "%.1f"|format(100 * each.threshold.share) }} %
<td>{{ "%.4f"|format(each.threshold.quality) }}<td>{{ "%.4f"|format(each.threshold.lower) }}
{% if each.effort %}<td>{{ "%.1f"|format(100 * each.effort.contour_share) }} %
<td>{{ "%.1f"|format(100 * each.effort.time_share) }} %{% else %}<td><td>{% endif %}
<td>{{ "%.1f"|format(100 * each.needed) }} %</tr>{% endfor %}</table>
{% if choice %}<h2>The pool</h2>
<p>Of {{ choice.slices|length }} slices {{ sent }} go to people for their score and {{ audit }} at
random: {{ "%.1f"|format(100 * choice.effort) }} % of the effort of sending all.</p>{% endif %}
</html>"""


def comparison_lines(calibrations: Sequence[Calibration], rule: SliceRule) -> list[str]:
    """Return the scorers' figures for a terminal."""
    lines = [
        f"  {'scorer':16} {'send':>7} {'quality':>8} {'bound':>8} {'contour':>8} {'time':>7} "
        f"{'until volumes reach it':>23}"
    ]
    for each in calibrations:
        mark = "*" if each.scorer == rule.scorer else " "
        contour, time = "-", "-"
        if each.effort is not None:
            contour, time = f"{each.effort.contour_share:.1%}", f"{each.effort.time_share:.1%}"
        lines.append(
            f"{mark} {each.scorer:16} {each.threshold.share:7.1%} {each.threshold.quality:8.4f} "
            f"{each.threshold.lower:8.4f} {contour:>8} {time:>7} {each.needed:23.1%}"
        )
    return lines


def write_choice(choice: SliceChoice, path: Path) -> None:
    """Write one line per slice of the pool: score, decision, probability, features."""
    slices = choice.slices
    with writing(path):
        temporary = temporary_beside(path)
        with temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(
                ["volume", "slice", "score", "decision", "inclusion_probability", *slices.features]
            )
            for at in range(len(slices)):
                table.writerow(
                    [
                        slices.volumes[at],
                        slices.places[at],
                        f"{choice.scores[at]:.6g}",
                        choice.decisions[at],
                        f"{choice.probability[at]:.6g}",
                        *(f"{values[at]:.6g}" for values in slices.features.values()),
                    ]
                )
        temporary.replace(path)


def write_figures(
    calibrations: Sequence[Calibration], rule: SliceRule, choice: SliceChoice | None, path: Path
) -> None:
    """Write every curve and threshold as JSON."""
    content: dict[str, Any] = {
        "encoding-type": "zooassist-slices",
        "encoding-version": "0.1.0",
        "producer": f"zooassist {__version__}",
        "rule": {
            "scorer": rule.scorer,
            "target": rule.target,
            "quality": rule.quality,
            "confidence": rule.confidence,
            "audit": rule.audit,
        },
        "scorers": {
            each.scorer: {
                "threshold": _number(each.threshold.score),
                "share": each.threshold.share,
                "quality": each.threshold.quality,
                "lower": each.threshold.lower,
                "share_until_volumes_reach_target": each.needed,
                "effort": None
                if each.effort is None
                else {
                    "slices": each.effort.slices.share,
                    "contour": each.effort.contour_share,
                    "time": each.effort.time_share,
                },
                "curve": {
                    "shares": each.curve.shares.tolist(),
                    "qualities": each.curve.qualities.tolist(),
                    "lower": each.curve.lower.tolist(),
                },
            }
            for each in calibrations
        },
    }
    if choice is not None:
        content["pool"] = {
            "slices": len(choice.slices),
            **{name: int((choice.decisions == name).sum()) for name in (SEND, AUDIT, KEEP)},
            "effort": choice.effort,
        }
    _write(path, json.dumps(content, indent=1, allow_nan=False))


def write_page(
    calibrations: Sequence[Calibration],
    rule: SliceRule,
    choice: SliceChoice | None,
    slices: tuple[int, int],
    path: Path,
) -> None:
    """Write a page with the curves; nothing is fetched from elsewhere.

    Parameters
    ----------
    slices : (int, int)
        How many slices with truth there are, and of how many volumes.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    text = environment.from_string(PAGE).render(
        curve_style=STYLE,
        slices=slices[0],
        volumes=slices[1],
        rule=rule,
        calibrations=calibrations,
        choice=choice,
        sent=0 if choice is None else int((choice.decisions == SEND).sum()),
        audit=0 if choice is None else int((choice.decisions == AUDIT).sum()),
        picture=curves_picture(
            [
                Curve(each.scorer, each.curve.shares, each.curve.qualities, each.curve.lower)
                for each in calibrations
            ],
            rule.target,
            rule.scorer,
        ),
    )
    _write(path, text)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _write(path: Path, text: str) -> None:
    with writing(path):
        temporary = temporary_beside(path)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
