"""What does a run of `propose` say? One line per fact, one line per failed item."""

from __future__ import annotations

from zooassist_loop.propose.pipeline import Outcome
from zooassist_loop.propose.selection import SKIPPED

MAX_IDS = 10


def outcome_lines(outcome: Outcome) -> list[str]:
    """Return the summary."""
    published = outcome.published
    lines = [f"{outcome.proposed} proposed, {len(outcome.failed)} failed"]
    lines += [
        f"{count} skipped: {SKIPPED[reason]}" for reason, count in outcome.skipped.items() if count
    ]
    if outcome.left:
        lines.append(f"{outcome.left} subjects of the set are left for the next run (--limit)")
    elif not outcome.seen:
        lines.append("the subject set is empty: add subjects to it, or name another --subject-set")
    if published.rows:
        lines.append(
            f"{published.rows} imported; read back as a volunteer: "
            f"{published.equal} of {published.read_back} equal"
        )
    else:
        lines.append("nothing to import")
    if published.missing:
        ids = ", ".join(map(str, published.missing[:MAX_IDS]))
        more = ", …" if len(published.missing) > MAX_IDS else ""
        lines.append(
            f"not visible yet: subjects {ids}{more}; Caesar may still be importing, run the same "
            "command again in a few minutes"
        )
    return lines


def note_lines(outcome: Outcome) -> list[str]:
    """Return what was changed to present the proposals, shortened."""
    notes = list(outcome.notes[:MAX_IDS])
    if len(outcome.notes) > MAX_IDS:
        notes.append(f"and {len(outcome.notes) - MAX_IDS} more notes (--verbose shows all)")
    return notes


def is_complete(outcome: Outcome) -> bool:
    """Say whether nothing failed and everything looked at was visible."""
    return not outcome.failed and not outcome.published.missing
