"""The predictions.json that KaDE reads to move subjects between sets.

``data`` holds, per subject and sample, the probability that at least `featured_bound` of the
volunteers would call the galaxy featured, 1 − BetaCDF(bound; α_f, S − α_f), and the concentrations
of that question (zooniverse/bajor: bajor/azure/batch/scripts; zooniverse/kade:
app/services/prediction_results/process.rb). KaDE reads sample "0" only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import orjson
import pyarrow as pa

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Question
from zooassist_serving.catalogue.formats.output_format import (
    Format,
    concentrations_of,
    good_rows,
    keys_of,
)
from zooassist_serving.posteriors import probability_at_least

FEATURED = "featured"


class KadeFormat(Format):
    """One JSON object; failed images are not in it."""

    suffixes = (".json",)

    def check(self) -> None:
        """Refuse models that do not ask whether a galaxy is featured."""
        self._question()
        if self.options.embedding is not None:
            raise BadInput("--embedding: KaDE's file holds none; write parquet, or leave it out")

    def _question(self) -> tuple[Question, int]:
        """Return the first question with an answer 'featured …', and which answer that is."""
        for question in self.card.schema_of_votes.questions:
            for answer in question.answers:
                if answer.column.removeprefix(question.name).strip("_").startswith(FEATURED):
                    return question, answer.index
        raise BadInput(
            f"--format kade-json: expected a model that asks whether a galaxy is {FEATURED}, got "
            f"{self.card.name} with {', '.join(self.card.schema_of_votes.columns[:6])}…; choose "
            "another model or format"
        )

    def write(self, parts: Iterable[pa.RecordBatch], out: Path) -> list[str]:
        """Write subject after subject; of several images of one subject the first is kept."""
        schema = self.card.schema_of_votes
        question, featured = self._question()
        where = schema.slices[question.name]
        bound = self.options.featured_bound
        description = {
            "description": f"per sample: probability that at least {bound:g} of the volunteers "
            f"answer {question.answers[featured].column}, concentrations of "
            f"{', '.join(question.columns)}",
            "model": self.card.name,
            "model_version": self.card.version,
        }
        head = {"version": 1, "type": "zooniverse/subject_assistant", "data": description}
        seen: set[str] = set()
        repeated = 0
        with out.open("wb") as file:
            file.write(b'{"schema": ' + json.dumps(head).encode() + b', "data": {')
            for part in map(good_rows, parts):
                if not part.num_rows:
                    continue
                alphas = concentrations_of(part, len(schema.columns))[:, :, where]
                flat = alphas.reshape(-1, 1, alphas.shape[2])
                chances = probability_at_least(flat, bound)[:, featured].reshape(alphas.shape[:2])
                listed: list[list[list[float]]] = alphas.astype(float).tolist()
                # Subjects are what KaDE moves, whatever a table calls its galaxies.
                subjects = part.column("subject_id").to_pylist()
                keys = [
                    name if subject is None else str(subject)
                    for subject, name in zip(subjects, keys_of(part), strict=True)
                ]
                by_key = zip(keys, chances, listed, strict=True)
                for key, chance, values in by_key:
                    if key in seen:
                        repeated += 1
                        continue
                    by_sample = {
                        str(i): pair
                        for i, pair in enumerate(zip(chance.tolist(), values, strict=True))
                    }
                    comma = b"," if seen else b""
                    file.write(comma + orjson.dumps(key) + b":" + orjson.dumps(by_sample))
                    seen.add(key)
            file.write(b"}}\n")
        if repeated:
            return [f"{repeated} images are of a subject that came before; its first is kept"]
        return []
