"""What would this crowd say about each subject, and how would it outline it?"""

from __future__ import annotations

from zooassist_loop.demo.crew import CrewSubject
from zooassist_loop.demo.galaxies import DemoGalaxy
from zooassist_loop.demo.project import DemoProject
from zooassist_loop.demo.tasks import QUESTIONS, subtask_key
from zooassist_loop.volunteers import SubtaskQuestion
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.shapes import Ellipse
from zooassist_serving.outline import outline_ellipse
from zooassist_serving.preprocessing import decode_image


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


def read_crowd(project: DemoProject, schema: LabelSchema) -> dict[int, CrewSubject]:
    """Prepare every subject for the crowd; the outline people draw is measured from the image."""
    crowd = {}
    for subject_id, galaxy in project.galaxies.items():
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
    return crowd
