"""How is a simulation shown? Lines for a terminal, figures as JSON, and a page with the curves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from zooassist_loop.curves_picture import STYLE, Curve, curves_picture
from zooassist_loop.simulation.plan import SimulationPlan
from zooassist_loop.simulation.run import PEOPLE
from zooassist_loop.simulation.summary import SHARES, Estimate, Summary
from zooassist_plugin import __version__
from zooassist_plugin.output_paths import temporary_beside, writing

PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Simulated loop</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right;
border-bottom:1px solid #ddd}
td{white-space:nowrap}td:first-child,th:first-child{text-align:left}
svg{width:100%;height:auto}{{ style }}</style>
<h1>What would sending slices to people bring?</h1>
<p>Seeds: {{ summary.seeds|length }}. Networks learnt {{ plan.training }} volumes, scorers were
fitted on {{ plan.calibration }}. The masks that were proposed for the others have a mean Dice of
{{ told(summary.proposed) }}. Wanted is {{ "%.3f"|format(plan.target) }}.</p>
{% for people, picture in pictures.items() %}<h2>{{ people|capitalize }} volunteers</h2>
{{ picture }}<p>Share of slices that people correct, and the mean Dice of the volumes.</p>
{% endfor %}
<table><tr><th>scorer<th>share until the target<th>less than chance<th>contour redrawn<th>time
<th>noisy: Dice at {{ "%.0f"|format(100 * plan.share) }} %<th>calibrated: sent<th>and Dice</tr>
{% for each in summary.scorers %}<tr><td>{{ each.scorer }}<td>{{ told(each.needed["perfect"]) }}
<td>{{ told(each.saved) }}<td>{{ percent(each.contour) }}<td>{{ percent(each.time) }}
<td>{{ told(each.at_share["noisy"]) }}<td>{{ percent(each.promised_share) }}
<td>{{ "%.4f"|format(each.promised_quality) }}</tr>{% endfor %}</table>
{% if summary.learnt %}<h2>Learnt again</h2>
<p>{{ percent(plan.share) }} of the slices came back, and the network went on with all volumes. Mean
Dice of volumes that nobody touched:</p>
<table><tr><th>learnt from<th>Dice<th>more than before</tr>
{% for name, dice in summary.learnt.items() %}<tr><td>{{ name }}<td>{{ told(dice) }}
<td>{% if name in summary.gained %}{{ told(summary.gained[name]) }}{% endif %}</tr>{% endfor %}
</table>{% endif %}
<p>In brackets: 95 % intervals over the seeds.</p></html>"""


def told(value: Estimate) -> str:
    """Write an estimate for people."""
    if math.isinf(value.mean):
        return "never"
    if math.isnan(value.low):
        return f"{value.mean:.3f}"
    return f"{value.mean:.3f} ({value.low:.3f} to {value.high:.3f})"


def percent(share: float) -> str:
    """Write a share for people; a dash where there is none."""
    return f"{share:.1%}" if math.isfinite(share) else "-"


def summary_lines(summary: Summary, plan: SimulationPlan) -> list[str]:
    """Return the figures for a terminal."""
    noisy = f"noisy at {plan.share:.0%}"
    lines = [
        f"proposed: mean Dice {told(summary.proposed)}, seeds: {len(summary.seeds)}",
        f"  {'scorer':16} {f'share until {plan.target:g}':24} {'less than chance':26} "
        f"{'contour':>8} {'time':>7} {noisy:>13}  calibrated",
    ]
    for each in summary.scorers:
        lines.append(
            f"  {each.scorer:16} {told(each.needed['perfect']):24} {told(each.saved):26} "
            f"{percent(each.contour):>8} {percent(each.time):>7} "
            f"{each.at_share['noisy'].mean:13.4f}  sends {percent(each.promised_share)}, Dice "
            f"{each.promised_quality:.4f}"
        )
    for name, dice in summary.learnt.items():
        more = f", more than before {told(summary.gained[name])}" if name in summary.gained else ""
        lines.append(f"learnt ({name}): Dice {told(dice)}{more}")
    return lines


def write_simulation(summary: Summary, plan: SimulationPlan, path: Path) -> None:
    """Write every figure and curve as JSON."""
    content: dict[str, Any] = {
        "encoding-type": "zooassist-simulation",
        "encoding-version": "0.1.0",
        "producer": f"zooassist {__version__}",
        "plan": {
            "training": plan.training,
            "calibration": plan.calibration,
            "held_out": plan.held_out,
            "members": plan.members,
            "target": plan.target,
            "share": plan.share,
            "seeds": list(summary.seeds),
        },
        "proposed": _numbers(summary.proposed),
        "shares": SHARES.tolist(),
        "scorers": {
            each.scorer: {
                "needed": {people: _numbers(each.needed[people]) for people in PEOPLE},
                "less_than_chance": _numbers(each.saved),
                "contour": _number(each.contour),
                "time": _number(each.time),
                "calibrated": {"share": each.promised_share, "dice": each.promised_quality},
                "dice_at_share": {people: _numbers(each.at_share[people]) for people in PEOPLE},
                "curves": {people: each.curves[people].tolist() for people in PEOPLE},
            }
            for each in summary.scorers
        },
        "learnt": {name: _numbers(each) for name, each in summary.learnt.items()},
        "more_than_before": {name: _numbers(each) for name, each in summary.gained.items()},
    }
    _write(path, json.dumps(content, indent=1, allow_nan=False))


def write_simulation_page(summary: Summary, plan: SimulationPlan, path: Path) -> None:
    """Write a page with the curves; nothing is fetched from elsewhere."""
    pictures = {
        people: curves_picture(
            [Curve(each.scorer, SHARES, each.curves[people]) for each in summary.scorers],
            plan.target,
        )
        for people in PEOPLE
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    text = environment.from_string(PAGE).render(
        style=STYLE, summary=summary, plan=plan, pictures=pictures, told=told, percent=percent
    )
    _write(path, text)


def _numbers(value: Estimate) -> dict[str, float | None]:
    return {name: _number(getattr(value, name)) for name in ("mean", "low", "high")}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _write(path: Path, text: str) -> None:
    with writing(path):
        temporary = temporary_beside(path)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
