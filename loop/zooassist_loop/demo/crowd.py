"""What would this crowd say about each subject, and how would it outline it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zooassist_loop.demo.crew import Answered, Look
from zooassist_loop.demo.galaxies import DemoGalaxy
from zooassist_loop.demo.project import DemoProject
from zooassist_loop.demo.tasks import QUESTIONS, subtask_key
from zooassist_loop.volunteers import SubtaskQuestion, Temperament, respond
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.marks import Mark
from zooassist_plugin.shapes import Ellipse
from zooassist_serving.outline import outline_ellipse
from zooassist_serving.preprocessing import decode_image

HAND_JITTER = 2.0  # pixels, standard deviation of an outline drawn by hand


@dataclass(frozen=True)
class CrewSubject:
    """What the crowd makes of one subject: its opinions, and the outline people would draw."""

    subject_id: int
    questions: tuple[SubtaskQuestion, ...]
    outline: Ellipse
    natural_size: tuple[int, int]


@dataclass(frozen=True)
class GalaxyCrowd:
    """A crowd that answers questions about galaxies."""

    subjects: Mapping[int, CrewSubject]
    temperament: Temperament

    @property
    def sizes(self) -> dict[int, tuple[int, int]]:
        """Natural width and height of every subject."""
        return {each.subject_id: each.natural_size for each in self.subjects.values()}

    def answer(self, look: Look) -> Answered:
        """Let one volunteer look at one galaxy."""
        subject = self.subjects[look.subject_id]
        response = respond(
            look.shown,
            own_mark(subject.outline, look.rng),
            subject.questions,
            self.temperament,
            look.rng,
        )
        return Answered(
            marks=response.marks,
            prefilled=response.action in ("accepted", "corrected"),
            actions={response.action: 1},
            seconds=float(look.rng.uniform(4, 20)),
        )


def own_mark(outline: Ellipse, rng: np.random.Generator) -> Mark:
    """Draw the outline by hand: the same ellipse, not quite."""
    dx, dy, da, db = rng.normal(0, HAND_JITTER, 4)
    moved = outline.model_copy(
        update={
            "x_center": outline.x_center + dx,
            "y_center": outline.y_center + dy,
            "rx": max(6.0, outline.rx + da),
            "ry": max(6.0, outline.ry + db),
        }
    )
    return Mark(shape=moved)


def subtask_questions(galaxy: DemoGalaxy, schema: LabelSchema) -> tuple[SubtaskQuestion, ...]:
    """Turn a galaxy's vote fractions into the questions its volunteers answer.

    A question follows from earlier answers as in the model's tree, as far as the workflow asks
    the parents; questions without fractions are left alone.
    """
    questions = []
    for place, name in enumerate(QUESTIONS):
        if name not in galaxy.fractions:
            continue
        parents = []
        for column in schema.question(name).asked_after:
            for parent_place, parent in enumerate(QUESTIONS):
                columns = schema.question(parent).columns
                if column in columns:
                    parents.append((subtask_key(parent_place), columns.index(column)))
        questions.append(
            SubtaskQuestion(
                task=subtask_key(place),
                task_type=schema.question(name).type,
                fractions=galaxy.fractions[name],
                asked_after=tuple(parents),
            )
        )
    return tuple(questions)


def read_crowd(
    project: DemoProject[DemoGalaxy], schema: LabelSchema, temperament: Temperament
) -> GalaxyCrowd:
    """Prepare every subject for the crowd; the outline people draw is measured from the image."""
    crowd = {}
    for subject_id, galaxy in project.items.items():
        image = decode_image(galaxy.image.read_bytes())
        height, width = image.shape[:2]
        outline = outline_ellipse(image) or Ellipse(
            x_center=width / 2, y_center=height / 2, rx=width / 4, ry=height / 4, angle=0
        )
        crowd[subject_id] = CrewSubject(
            subject_id=subject_id,
            questions=subtask_questions(galaxy, schema),
            outline=outline,
            natural_size=(width, height),
        )
    return GalaxyCrowd(crowd, temperament)
