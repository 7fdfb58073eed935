"""`zooassist batch report`: a page with throughput, failures and some of the results."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

import click
from jinja2 import Environment, StrictUndefined

from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import temporary_beside, writing
from zooassist_serving.batch.assembling import open_store
from zooassist_serving.batch.config import load_config
from zooassist_serving.batch.contact_sheet import draw_some, write_sheet
from zooassist_serving.batch.fetching import Fetching
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.results import finished_jobs
from zooassist_serving.batch.status import JobState, job_states
from zooassist_serving.batch.throughput import draw

SHEET: Final = "results.png"
PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Batch report</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right;
border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left;word-break:break-all}
.tick{font-size:11px;fill:#555}.grid{stroke:#ddd}svg,img{width:100%;height:auto}</style>
<h1>{{ predicted }} images, {{ failed }} failed</h1>
<p>{{ done }} of {{ states|length }} jobs are done; {{ workers }} workers wrote parts.</p>
<h2>Throughput</h2>{{ picture }}
<p>Images per second that left each stage, over all workers.</p>
<h2>Failures</h2>
{% if causes %}<table><tr><th>cause<th>images</tr>
{% for cause, count in causes %}<tr><td>{{ cause }}<td>{{ count }}</tr>{% endfor %}</table>
{% else %}<p>None.</p>{% endif %}
<h2>Jobs</h2>
<table><tr><th>source<th>shards<th>images<th>failed<th>images/s</tr>
{% for each in states %}<tr><td>{{ each.source or each.folder.uri }}
<td>{{ each.parts|length }} of {{ each.shards if each.shards is not none else "?" }}
<td>{{ each.predicted }}<td>{{ each.failed }}<td>{{ "%.1f"|format(each.rate()) }}</tr>
{% endfor %}</table>
{% if sheet %}<h2>Some results, at random</h2>
<img src="{{ sheet }}" alt="random results">{% endif %}
</html>
"""


@click.command(
    epilog="""\b
Examples:
  zooassist batch report predictions/ --to report/
  zooassist batch report s3://survey-predictions/ --to report/ --images 96"""
)
@click.argument("outputs", nargs=-1)
@click.option("--to", required=True, type=click.Path(path_type=Path), help="Folder to write into.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings.")
@click.option("--images", default=48, show_default=True, type=click.IntRange(0, 1000))
@click.option("--seed", default=0, show_default=True, help="Of the random choice.")
def report(outputs: tuple[str, ...], to: Path, config: Path | None, images: int, seed: int) -> None:
    """Write a page about the jobs in OUTPUTS (default: of the settings' routes)."""
    settings = load_config(config)
    places = [Place.parse(each) for each in outputs] or [route.output for route in settings.routes]
    store = open_store(settings)
    states = [state for place in dict.fromkeys(places) for state in job_states(store, place)]
    if not states:
        raise BadInput("batch report: expected jobs there, found none; check OUTPUTS")
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
    jobs = [job for place in dict.fromkeys(places) for job in finished_jobs(store, place)]
    shown = draw_some(store, jobs, images, Random(seed)) if images else []
    if shown:
        limits = (settings.downloads, settings.max_image_bytes, settings.max_container_bytes)
        with Fetching(store, *limits) as fetching:
            write_sheet(shown, fetching, to / SHEET)
    _write(to / "index.html", page_of(states, SHEET if shown else None))
    now = time.time()
    figures = {"producer": f"zooassist {__version__}", "jobs": [s.to_json(now) for s in states]}
    _write(to / "report.json", json.dumps(figures, indent=1))
    click.echo(f"{to / 'index.html'}: {len(states)} jobs")


def page_of(states: list[JobState], sheet: str | None) -> str:
    """Return the page; whatever objects are called is escaped."""
    causes: Counter[str] = Counter()
    for state in states:
        causes.update(state.causes)
    notes = [note for state in states for note in state.notes]
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE)
    return template.render(
        states=states,
        predicted=sum(state.predicted for state in states),
        failed=sum(state.failed for state in states),
        done=sum(state.is_done for state in states),
        workers=len({note.worker for note in notes}),
        picture=draw(notes),
        causes=causes.most_common(50),
        sheet=sheet,
    )


def _write(path: Path, text: str) -> None:
    with writing(path):
        temporary = temporary_beside(path)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
