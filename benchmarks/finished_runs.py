"""Which trainings of a benchmark are done? One JSON line each, so that a broken-off one goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_record import replace_text

from zooassist_plugin.errors import BadInput


@dataclass(frozen=True)
class FinishedRuns:
    """Results in a file, found by everything that they depend on.

    Attributes
    ----------
    path : Path
        Lines of ``{"options": {…}, "result": {…}}``; need not exist yet.
    """

    path: Path

    def result_of(
        self, options: Mapping[str, Any], run: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return the result that is kept for these options; else run, and keep it.

        Parameters
        ----------
        options, and what `run` returns
            Of JSON's types; options that differ in anything are another run.

        Raises
        ------
        BadInput
            When the file was damaged.
        """
        kept = self._kept()
        key = json.dumps(options, sort_keys=True)
        if key in kept:
            return kept[key]
        result = run()
        # Written as a whole: a line that is half there would be in the way for ever.
        done = self._kept() | {key: result}
        lines = [
            json.dumps({"options": json.loads(each), "result": of_it}, sort_keys=True)
            for each, of_it in done.items()
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self.path, "\n".join(lines) + "\n")
        return result

    def _kept(self) -> dict[str, dict[str, Any]]:
        if not self.path.is_file():
            return {}
        kept = {}
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                content = json.loads(line)
                kept[json.dumps(content["options"], sort_keys=True)] = content["result"]
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise BadInput(
                    f"{self.path}, line {number}: expected options and result of a run, got "
                    f"{line[:60]!r}; remove the line to run it again"
                ) from error
        return kept
