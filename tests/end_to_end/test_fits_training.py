"""FITS images: exported into a training set, learnt from, evaluated and predicted, by command."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from zooassist_plugin.cli import main

GALAXIES = 40
SIDE = 24


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["zooassist", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def survey(tmp_path):
    """Faint blobs in a unit in which they are far below 1, round or long, and votes on them."""
    fits = pytest.importorskip("astropy.io.fits", reason="FITS needs astropy ([fits])")
    random = np.random.default_rng(3)
    folder = tmp_path / "cutouts"
    folder.mkdir()
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    lines = ["id,file,shape_round,shape_long"]
    for number in range(GALAXIES):
        width = 2.0 if number % 2 else 6.0
        flux = 0.02 * np.exp(-((x / 6) ** 2) - (y / width) ** 2)
        values = (flux + random.normal(0, 5e-4, flux.shape)).astype(np.float32)
        fits.PrimaryHDU(values).writeto(folder / f"{number}.fits")
        lines.append(f"{number},{number}.fits,{2 if number % 2 else 18},{18 if number % 2 else 2}")
    (folder / "broken.fits").write_bytes((folder / "0.fits").read_bytes()[:3000])
    lines.append(f"{GALAXIES},broken.fits,10,10")
    (tmp_path / "votes.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_from_flux_to_predictions(survey, monkeypatch, capfd):
    made, model, out = survey / "set", survey / "model", survey / "predictions.parquet"
    images = ("--images", survey / "cutouts")
    export = ("export", "training-set", survey / "votes.csv", *images, "--out", made)
    assert run(monkeypatch, *export) == 1
    assert f"subject {GALAXIES}" in capfd.readouterr().err
    assert len(list((made / "images").glob("*.fits"))) == GALAXIES
    options = ("--encoder", "tiny", "--size", "16", "--epochs", "2", "--threads", "1")
    train = ("train", "votes", made, "--out", model, "--stretch", "200", "0.5", "99.5", *options)
    assert run(monkeypatch, *train) == 1  # the broken one is named again
    card = json.loads((model / "model.json").read_text())
    assert card["preprocessing"]["stretch"] == {"q": 200.0, "low": 0.5, "high": 99.5}
    assert run(monkeypatch, "evaluate", model, made, "--out", survey / "report") == 0
    assert run(monkeypatch, "predict", model, survey / "cutouts", "--out", out) == 1
    rows = pq.read_table(out).to_pylist()
    assert [row["image"].rpartition("/")[2] for row in rows if row["error"]] == ["broken.fits"]
    assert len(rows) == GALAXIES + 1


@pytest.mark.parametrize("values", [("0", "0", "99"), ("1", "99", "1"), ("nan", "0", "99")])
def test_a_stretch_that_is_none(survey, monkeypatch, capfd, values):
    out = survey / "model"
    assert run(monkeypatch, "train", "votes", survey, "--out", out, "--stretch", *values) == 2
    assert "expected Q above 0 and percentiles LOW < HIGH" in capfd.readouterr().err
