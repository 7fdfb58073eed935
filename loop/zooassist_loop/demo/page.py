"""The demo's page: what happened, in the order it happened, for a person who reads one page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined


def write_page(out: Path, template: str, **values: object) -> None:
    """Write a page, complete or not at all.

    Parameters
    ----------
    template : str
        A file of ``templates``; each goes on from ``base.html``, which asks for `summary`, `steps`
        and `contact_sheet` (its path relative to the page).
    values
        What the template shows.
    """
    environment = Environment(
        loader=PackageLoader("zooassist_loop.demo", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.0f} %"
    text = environment.get_template(template).render(**values)
    partial = out.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out)
