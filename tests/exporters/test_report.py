"""The report page: its numbers by hand, no name in it, nothing fetched."""

import html
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zooassist_exporters.command import export
from zooassist_exporters.reductions.weighting.weighing import QuestionAnswers
from zooassist_exporters.report.agreement import agreement_with_others
from zooassist_exporters.report.charts import nice_ceiling
from zooassist_exporters.report.gathering import facts_of_export, facts_of_training_set
from zooassist_exporters.report.page import timeline
from zooassist_exporters.rules import Rules

CHROMIUM = shutil.which("chromium")


def _export(exports, row, answer):
    """Three volunteers, two subjects; cyd differs on the second, and comes back to the first."""
    rows, number = [], 0
    for subject in (7, 8):
        for user, day in (("ada", 1), ("bob", 1), ("cyd", 3)):
            number += 1
            value = "No <script>alert(1)</script>" if (user, subject) == ("cyd", 8) else "Yes"
            when = f"2026-06-0{day} 10:0{number}:00 UTC"
            annotations = [answer(value)]
            rows.append(row(number, annotations, subject=subject, user=user, created_at=when))
    again = "2026-06-03 11:00:00 UTC"
    rows.append(row(9, [answer("Yes")], subject=7, user="cyd", created_at=again))
    rows.append(row(10, "not JSON", subject=7, user="bob"))
    return exports.classifications(*rows)


def _page(source, out, *options):
    arguments = ["report", str(source), "--out", str(out), *map(str, options)]
    done = CliRunner().invoke(export, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return out.read_text(encoding="utf-8")


def test_the_numbers_of_a_small_export_by_hand(exports, row, answer):
    facts = facts_of_export(_export(exports, row, answer), None, Rules())
    assert (facts.classifications, facts.subjects, facts.votes) == (6, 2, 6)
    assert {rule: count for rule, count in facts.left_out.items() if count} == {
        "repeated by the same volunteer": 1
    }
    assert facts.problems == {"annotations are not JSON": 1}
    assert facts.days == {date(2026, 6, 1): 4, date(2026, 6, 3): 3}
    assert sorted(facts.per_subject.tolist()) == [3, 4]
    [question] = facts.questions
    assert [(votes, share) for _, votes, share in question.answers] == [(1, 1 / 6), (5, 5 / 6)]
    assert (question.subjects, question.answered, question.compared) == (2, 6, 2)
    assert question.leading[-1] == 1  # all agree on subject 7
    assert question.leading[13] == 1  # two thirds on subject 8
    volunteers = facts.volunteers
    assert volunteers.classifications.tolist() == [3, 2, 2]
    assert volunteers.answers.tolist() == [2, 2, 2]
    # cyd: right once, alone once. ada and bob: agreed once; on 8 the two others are split.
    assert volunteers.agreement.tolist() == [0.5, 0.75, 0.75]


def test_the_page_names_nobody_fetches_nothing_and_escapes_labels(exports, row, answer, tmp_path):
    page = _page(_export(exports, row, answer), tmp_path / "report.html")
    assert not re.search(r"\b(ada|bob|cyd)\b", page)
    assert not re.search(r"https?:|src=|@import|<script", page)
    assert html.escape("repeated by the same volunteer") in page
    assert "annotations are not JSON" in page
    assert "volunteer 3" in page
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".html"] == ["report.html"]


def test_a_training_set_is_described_without_volunteers_and_time(exports, row, answer, tmp_path):
    path = _export(exports, row, answer)
    CliRunner().invoke(export, ["votes", str(path), "--out", str(tmp_path / "set")])
    facts = facts_of_training_set(tmp_path / "set")
    assert (facts.subjects, facts.votes, facts.classifications) == (2, 6, None)
    assert facts.problems == {"annotations are not JSON": 1}
    assert (facts.volunteers, facts.days) == (None, None)
    page = _page(tmp_path / "set", tmp_path / "report.html")
    assert "does not say who classified when" in page
    done = CliRunner().invoke(
        export,
        ["report", str(tmp_path / "set"), "--out", str(tmp_path / "r.html"), "--live-only"],
    )
    assert done.exit_code == 2


def _answers(chosen, rows):
    return QuestionAnswers(np.array(rows), np.arange(len(rows)), np.array(chosen, dtype=bool))


def test_agreement_with_others_by_hand():
    # Subject 0: a, a, b. Subject 1: a, b. Subject 2: a alone.
    chosen = [[1, 0], [1, 0], [0, 1], [1, 0], [0, 1], [1, 0]]
    answers = _answers(chosen, [0, 0, 0, 1, 1, 2])
    counts, totals = np.array([[2, 1], [1, 1], [1, 0]]), np.array([3, 2, 1])
    found = agreement_with_others(answers, counts, totals, multiple=False)
    np.testing.assert_array_equal(found, [0.5, 0.5, 0, 0, 0, np.nan])
    # Several allowed: {a}, {a, b}, {} about one subject; "a" was said by 2 of 3, "b" by 1.
    answers = _answers([[1, 0], [1, 1], [0, 0]], [0, 0, 0])
    found = agreement_with_others(answers, np.array([[2, 1]]), np.array([3]), multiple=True)
    # first: a tied, b tied (one of two others each); second: a tied, b alone; third: a against two,
    # b tied.
    np.testing.assert_array_equal(found, [0.5, 0.25, 0.25])


@pytest.mark.parametrize(
    ("days", "period", "columns"),
    [(1, "day", 1), (60, "day", 60), (61, "week", 9), (2000, "year", 6), (90_000, "year", 247)],
)
def test_periods_of_the_timeline(days, period, columns):
    start = date(1900, 1, 1)
    name, chart = timeline({start: 3, start + timedelta(days=days - 1): 1})
    assert (name, chart.count("<rect")) == (period, columns)


def test_axes_end_on_round_numbers():
    ends = [nice_ceiling(value) for value in (0, 2, 3, 7, 10, 11, 1641)]
    assert ends == [2, 2, 4, 10, 10, 20, 2000]


def test_a_real_export_without_the_names_in_it(real_export, real_rows, tmp_path):
    path = real_export("kenya-sample.csv.gz")
    page = _page(path, tmp_path / "report.html", "--workflow-id", 2030)
    words = set(re.findall(r"[\w.-]+", re.sub(r"<style>.*?</style>", "", page, flags=re.S)))
    names = {row["user_name"] for row in real_rows("kenya-sample.csv.gz")}
    assert len(names) > 50
    assert not names & words
    assert "repeated by the same volunteer" in page


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
@pytest.mark.parametrize("width", [390, 1100])
def test_the_page_fits_phones_and_desks(exports, row, answer, tmp_path, width):
    playwright = pytest.importorskip("playwright.sync_api")
    out = tmp_path / "report.html"
    _page(_export(exports, row, answer), out)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": width, "height": 800})
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(Path(out).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("svg").count() == 5
        assert (said, asked) == ([], [Path(out).as_uri()])
        browser.close()
