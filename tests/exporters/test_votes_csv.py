import threading
import time

import numpy as np
import pytest
from prefill_project import galaxy_png

from zooassist_exporters.image_zip import ZipImages
from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.votes_csv import read_votes_csv, subject_id_of
from zooassist_exporters.votes_csv_export import export_votes_table, open_images
from zooassist_exporters.votes_csv_form import CHALLENGE_COLUMNS
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.trees import TREES


def votes(tmp_path, *lines):
    path = tmp_path / "votes.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_counts(tmp_path):
    table = read_votes_csv(
        votes(
            tmp_path,
            "subject_id,file,ring_yes,ring_no,redshift,survey,natural_mix",
            "12,images/a.png,3,7,0.05,SDSS,1",
            "5,images/b.png,0,,NA,,0",
        )
    )
    assert (table.form, table.assumed_total, table.totals) == ("counts", None, None)
    assert table.schema.columns == ("ring_yes", "ring_no")
    assert table.subject_ids == [12, 5]
    assert table.files == ["images/a.png", "images/b.png"]
    assert table.counts.tolist() == [[3, 7], [0, 0]]
    assert table.metadata == [
        {"redshift": 0.05, "survey": "SDSS", "natural_mix": 1},
        {"redshift": "NA", "survey": None, "natural_mix": 0},
    ]


def test_fractions_with_an_assumed_total(tmp_path):
    path = votes(tmp_path, "id,ring_yes,ring_no", "12,0.25,0.75", "13,1,0", "14,,")
    table = read_votes_csv(path, total_votes=10)
    assert (table.form, table.assumed_total) == ("fractions", 10)
    assert table.counts.tolist() == [[3, 7], [10, 0], [0, 0]]
    with pytest.raises(BadInput) as caught:
        read_votes_csv(path)
    assert str(caught.value) == (
        "votes.csv: its votes are fractions without a total; expected columns such as "
        "'ring_total-votes', or give --total-votes N to assume N volunteers"
    )


def test_fractions_with_stated_totals(tmp_path):
    table = read_votes_csv(
        votes(
            tmp_path,
            "iauname,ring_total-votes,ring_yes_fraction,ring_no_fraction,petro_theta,petro_r50",
            "J100000.00+000000.0,7,0.43,0.57,1.5,2.5",
        )
    )
    assert table.form == "fractions with totals"
    assert table.schema.columns == ("ring_yes", "ring_no"), "only questions with totals are taken"
    assert table.counts.tolist() == [[3, 4]]
    assert table.metadata == [{"id": "J100000.00+000000.0", "petro_theta": 1.5, "petro_r50": 2.5}]


def test_a_tree_of_several_answers_keeps_stated_totals(tmp_path):
    tree = LabelSchema(
        (Question("odd", "", "multiple", (), (Answer("A", 0, "odd_a"), Answer("B", 1, "odd_b"))),)
    )
    path = votes(tmp_path, "id,odd_a,odd_b,odd_total-votes", "1,3,4,5")
    table = read_votes_csv(path, tree=tree)
    assert table.totals.tolist() == [[5]]


def test_ids_of_names_are_stable():
    assert subject_id_of("817377") == 817377
    # printf J100000.00+000000.0 | sha256sum | cut -c1-16, as a number, over 4
    assert subject_id_of("J100000.00+000000.0") == 2918416432866861031
    assert 0 < subject_id_of("galaxy one") < 2**62
    assert subject_id_of("galaxy one") != subject_id_of("galaxy two")
    assert subject_id_of("1" * 30) < 2**62


def test_the_file_name_is_the_id_when_there_is_no_other(tmp_path):
    table = read_votes_csv(votes(tmp_path, "file,ring_yes,ring_no", "cutouts/77.png,1,0"))
    assert table.subject_ids == [77]


def test_broken_rows_are_listed_and_the_rest_goes_on(tmp_path):
    table = read_votes_csv(
        votes(
            tmp_path,
            "id,ring_yes,ring_no",
            "1,2,3",
            "2,many,3",
            "3,-1,3",
            "4,inf,3",
            "1,5,5",
            ",1,1",
            "7,1",
            "8,1,1",
        )
    )
    assert table.subject_ids == [1, 8]
    assert [(problem.where, problem.cause, problem.detail) for problem in table.problems] == [
        ("row 3", "not a number", "expected numbers of votes, got 'many'"),
        ("row 4", "not a number", "expected numbers of votes, got '-1'"),
        ("row 5", "not a number", "expected numbers of votes, got 'inf'"),
        ("row 6", "subject listed twice", "expected '1' once"),
        ("row 7", "no id", "expected an id or a file name, got an empty cell"),
        ("row 8", "wrong number of columns", "expected 3 as in the header, got 2"),
    ]


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        (
            "GalaxyID," + ",".join(name for name in CHALLENGE_COLUMNS if name != "Class7.2"),
            {},
            "votes.csv: column 'Class7.2' missing from the Galaxy Zoo 2 challenge's 37 columns "
            "(1 missing in all); give the CSV as published",
        ),
        (
            "id,smooth-or-featured_smooth,smooth-or-featured_featured-or-disk",
            {"tree": TREES["gz2"]},
            "votes.csv: column 'smooth-or-featured_artifact' missing from the votes CSV (35 of 37 "
            "label columns missing); found: id, smooth-or-featured_smooth, "
            "smooth-or-featured_featured-or-disk; add the column, or choose another --tree",
        ),
        (
            "name,ring_yes,ring_no",
            {},
            "votes.csv: expected a column of ids (subject_id, GalaxyID, galaxy_id, id_str, "
            "iauname, objid, id) or of image files (file, file_loc, filename, file_name, image); "
            "found: name, ring_yes, ring_no; name it with --id-column or --file-column",
        ),
        (
            "id,name",
            {},
            "votes.csv: found no label columns; expected names such as smooth-or-featured_smooth, "
            "one per answer, or Class1.1 to Class11.6; found: id, name; name the tree with --tree",
        ),
        (
            "id,ring_yes,ring_no",
            {"id_column": "galaxy"},
            "votes.csv: column 'galaxy' missing from the votes CSV; found: id, ring_yes, ring_no; "
            "give the votes CSV as it was downloaded",
        ),
    ],
)
def test_a_missing_column_is_named(tmp_path, header, options, message):
    path = votes(tmp_path, header, ",".join("1" for _ in header.split(",")))
    with pytest.raises(BadInput) as caught:
        read_votes_csv(path, **options)
    assert str(caught.value) == message


def test_counts_beside_fractions_are_refused(tmp_path):
    path = votes(tmp_path, "id,ring_yes,ring_no", "1,0.5,0.5", "2,3,1")
    with pytest.raises(BadInput, match=r"column 'ring_yes' holds 3 beside fractions"):
        read_votes_csv(path, total_votes=10)


def test_no_row_that_can_be_used(tmp_path):
    table = read_votes_csv(votes(tmp_path, "id,ring_yes,ring_no", "1,x,y"))
    with pytest.raises(BadInput, match=r"votes\.csv: expected rows of votes, none can be used"):
        export_votes_table(table, tmp_path / "set", None)


def test_real_galaxies(tmp_path, galaxies):
    started = time.perf_counter()
    table = read_votes_csv(galaxies / "votes.csv")
    with open_images(None, galaxies / "votes.csv") as source:
        assert isinstance(source, ZipImages)
        report = export_votes_table(table, tmp_path / "set", source)
    found = read_training_set(tmp_path / "set")
    assert time.perf_counter() - started < 30
    assert (report.subjects, report.images, len(report.problems)) == (4000, 4000, 0)
    assert found.schema == TREES["gz2"]
    assert found.manifest["options"]["total_votes"] == {"value": 40, "assumed": True}
    assert sum(found.metadata(row)["natural_mix"] for row in range(len(found))) == 1955
    assert found.image_path(0).name == f"{found.subject_ids[0]}.jpg"

    order = np.argsort(table.subject_ids)
    published, counts = table.published[order], found.counts
    slices = found.schema.slices
    root = slices["smooth-or-featured"]
    # Root: 40 votes, each within one vote of 40 times the published fraction.
    assert (counts[:, root].sum(axis=1) == 40).all()
    assert np.abs(counts[:, root] - 40 * published[:, root]).max() < 1
    # Children: cumulative fractions again, within the rounding of each level above (at most 4).
    assert np.abs(counts - 40 * published).max() < 3
    mean = counts.sum(axis=0) / 40 / len(found)
    assert np.abs(mean - published.mean(axis=0)).max() < 0.003
    for name, parent in [
        ("disk-edge-on", "smooth-or-featured_featured-or-disk"),
        ("bar", "disk-edge-on_no"),
        ("spiral-winding", "has-spiral-arms_yes"),
        ("how-rounded", "smooth-or-featured_smooth"),
        ("odd-feature", "something-odd_yes"),
    ]:
        asked = counts[:, slices[name]].sum(axis=1)
        given = counts[:, found.schema.columns.index(parent)]
        zero = published[:, slices[name]].sum(axis=1) == 0
        assert np.array_equal(asked[~zero], given[~zero])
        assert (asked[zero] == 0).all()


class _Killed(BaseException):
    """Stands for the end of the process: nobody catches it."""


class _DiesAfter:
    """An image source that dies after a number of images, and counts what it is asked for."""

    def __init__(self, image, images):
        self.image, self.left, self.asked = image, images, []
        self.lock = threading.Lock()

    def read(self, wanted):
        with self.lock:
            self.asked.append(wanted.subject_id)
            if self.left == 0:
                raise _Killed
            self.left -= 1
        return self.image


def test_an_interrupted_export_goes_on_where_it_was(tmp_path):
    lines = ["id,ring_yes,ring_no", *(f"{number},1,2" for number in range(1, 61))]
    table = read_votes_csv(votes(tmp_path, *lines))
    out = tmp_path / "set"
    first = _DiesAfter(galaxy_png(1), 20)
    with pytest.raises(_Killed):
        export_votes_table(table, out, first)
    assert not out.exists(), "nothing half-written is visible"
    second = _DiesAfter(galaxy_png(1), 60)
    report = export_votes_table(table, out, second)
    assert report.images == 60
    assert len(second.asked) == 40, "twenty images were there"
    assert len(read_training_set(out)) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "votes.csv"]
