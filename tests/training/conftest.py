"""A small synthetic training set: discs that volunteers call smooth, bars called featured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_plugin.label_schema import Answer, LabelSchema, Question

SIDE = 40
GALAXIES = 60


def two_questions() -> LabelSchema:
    return LabelSchema(
        (
            Question(
                "smooth-or-featured",
                "T0",
                "single",
                (),
                (
                    Answer("Smooth", 0, "smooth-or-featured_smooth"),
                    Answer("Features or disk", 1, "smooth-or-featured_featured-or-disk"),
                    Answer("Star or artifact", 2, "smooth-or-featured_artifact"),
                ),
                text="Is the galaxy smooth?",
            ),
            Question(
                "bar",
                "T1",
                "single",
                ("smooth-or-featured_featured-or-disk",),
                (Answer("Yes", 0, "bar_yes"), Answer("No", 1, "bar_no")),
                text="Is there a bar?",
            ),
        )
    )


def draw(featured: bool, random: np.random.Generator) -> np.ndarray:
    """A round blob, or a long one at any angle, on noise."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    angle = random.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    narrow = 2.0 if featured else 6.0
    light = 220 * np.exp(-((along / 9) ** 2) - (across / narrow) ** 2)
    noisy = light[..., None] + random.normal(12, 4, (SIDE, SIDE, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def make_training_set(folder: Path, galaxies: int = GALAXIES) -> Path:
    random = np.random.default_rng(7)
    images = folder / "pictures"
    images.mkdir(parents=True)
    rows, votes = [], []
    for subject in range(galaxies):
        featured = subject % 2 == 1
        path = images / f"{subject}.png"
        Image.fromarray(draw(featured, random)).save(path)
        rows.append(SubjectRow(subject, path))
        yes = int(random.binomial(20, 0.9 if featured else 0.1))
        barred = int(random.binomial(yes, 0.8))
        votes.append([20 - yes, yes, 0, barred, yes - barred])
    return write_training_set(folder / "training-set", rows, np.array(votes), two_questions())


@pytest.fixture(scope="session")
def schema() -> LabelSchema:
    return two_questions()


@pytest.fixture(scope="session")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("discs"))


def draw_blob(radius: float, random: np.random.Generator) -> np.ndarray:
    """A round blob of a Gaussian radius in pixels, on noise."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    light = 200 * np.exp(-(x**2 + y**2) / (2 * radius**2))
    noisy = light[..., None] + random.normal(12, 4, (SIDE, SIDE, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def make_blob_set(folder: Path, blobs: int = 120, first: int = 0) -> Path:
    """Blobs whose metadata say their radius, for most; half a tilt that no image shows."""
    random = np.random.default_rng(11)
    images = folder / "pictures"
    images.mkdir(parents=True)
    rows = []
    for subject in range(first, first + blobs):
        radius = float(random.uniform(2, 9))
        path = images / f"{subject}.png"
        Image.fromarray(draw_blob(radius, random)).save(path)
        metadata: dict[str, object] = {"name": f"blob {subject}", "flat": 3}
        # As catalogues have it: numbers, numbers as text, empty cells.
        metadata["radius"] = (radius, f"{radius:.4f}", "")[0 if subject % 5 else subject % 3]
        if subject % 2:
            metadata["tilt"] = float(random.normal(1000, 20))
        rows.append(SubjectRow(subject, path, metadata=metadata))
    votes = np.tile([3, 2, 0, 1, 1], (blobs, 1))
    return write_training_set(folder / "blobs", rows, votes, two_questions())


@pytest.fixture(scope="session")
def blob_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_blob_set(tmp_path_factory.mktemp("blobs"))
