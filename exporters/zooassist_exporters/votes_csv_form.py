"""Which columns of a votes CSV are label columns, and in which form are the votes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zooassist_exporters.export_file import ExportFile
from zooassist_exporters.training_set_layout import TOTAL_SUFFIX, total_columns
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.trees import TREES

# Ids and file names by the names that public tables use, most telling first.
ID_COLUMNS: Final = ("subject_id", "GalaxyID", "galaxy_id", "id_str", "iauname", "objid", "id")
FILE_COLUMNS: Final = ("file", "file_loc", "filename", "file_name", "image")
FRACTION_SUFFIX: Final = "_fraction"
# Published fractions are rounded; a sum may exceed one by as much.
ROUNDING: Final = 1e-6
CHALLENGE_FORM: Final = "cumulative fractions"
CHALLENGE_TREE: Final = "gz2"
CHALLENGE_TOTAL: Final = 40
# Galaxy Zoo 2 question -> its number of answers; ClassQ.A in this order is the gz2 tree's order.
CHALLENGE_ANSWERS: Final = (3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6)
CHALLENGE_COLUMNS: Final = tuple(
    f"Class{question}.{answer}"
    for question, answers in enumerate(CHALLENGE_ANSWERS, start=1)
    for answer in range(1, answers + 1)
)


@dataclass(frozen=True)
class VotesForm:
    """Where the numbers of a votes CSV are: one column per label column, and how to read them."""

    name: str
    schema: LabelSchema
    columns: tuple[str, ...]
    totals: tuple[str, ...] = ()


def form_of(file: ExportFile, tree: LabelSchema | None) -> VotesForm:
    """Recognise the form of a votes CSV by its header.

    Raises
    ------
    BadInput
        When there are no label columns, or some of a tree's are missing; the first is named.
    """
    header = set(file.header)
    if tree is None and (set(CHALLENGE_COLUMNS[:3]) & header):
        missing = [name for name in CHALLENGE_COLUMNS if name not in header]
        if missing:
            raise BadInput(
                f"{file.name}: column {missing[0]!r} missing from the Galaxy Zoo 2 challenge's "
                f"{len(CHALLENGE_COLUMNS)} columns ({len(missing)} missing in all); "
                "give the CSV as published"
            )
        return VotesForm(CHALLENGE_FORM, TREES[CHALLENGE_TREE], CHALLENGE_COLUMNS)
    schema = tree or _schema_of(file.header)
    if not schema.questions:
        raise BadInput(
            f"{file.name}: found no label columns; expected names such as "
            "smooth-or-featured_smooth, one per answer, or Class1.1 to Class11.6; "
            f"found: {', '.join(file.header[:20])}; name the tree with --tree"
        )
    columns = tuple(
        name if name in header else f"{name}{FRACTION_SUFFIX}" for name in schema.columns
    )
    missing = [
        name for name, column in zip(schema.columns, columns, strict=True) if column not in header
    ]
    if missing:
        raise BadInput(
            f"{file.name}: column {missing[0]!r} missing from the votes CSV "
            f"({len(missing)} of {len(columns)} label columns missing); found: "
            f"{', '.join(file.header[:20])}; add the column, or choose another --tree"
        )
    totals = tuple(total_columns(schema))
    return VotesForm("votes", schema, columns, totals if set(totals) <= header else ())


def _schema_of(header: Sequence[str]) -> LabelSchema:
    """Make questions of the columns named ``<question>_<answer>``, two answers or more.

    Where some questions have a ``_total-votes`` column, only those are questions: a table may have
    other columns with an underscore.
    """
    groups: dict[str, dict[str, None]] = {}
    for name in header:
        question, mark, answer = name.removesuffix(FRACTION_SUFFIX).partition("_")
        if name in (*ID_COLUMNS, *FILE_COLUMNS) or name.endswith(TOTAL_SUFFIX):
            continue
        if mark and question and answer and "_" not in answer:
            groups.setdefault(question, {})[answer] = None
    counted = {name.removesuffix(TOTAL_SUFFIX) for name in header if name.endswith(TOTAL_SUFFIX)}
    return LabelSchema(
        tuple(
            Question(
                question,
                "",
                "single",
                (),
                tuple(
                    Answer(answer, index, f"{question}_{answer}")
                    for index, answer in enumerate(answers)
                ),
            )
            for question, answers in groups.items()
            if len(answers) > 1 and (not counted or question in counted)
        )
    )
