"""What do we know of a subject and its workflow, read from the platform itself?

Nothing that a caller says is believed: the workflow comes from Panoptes, the subject's images too,
and what Caesar holds from Caesar.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from zooassist_plugin.caesar import Caesar
from zooassist_plugin.errors import BadInput
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.presenters import REDUCER_KEY
from zooassist_plugin.records import Subject
from zooassist_plugin.workflow import Workflow
from zooassist_serving.http.caesar.calls import ReducerCall

KEPT_SECONDS: Final = 60.0
"""How long a workflow is believed to be as it was read."""


class Platform:
    """Panoptes and Caesar, as the doors ask them; safe to use from several threads.

    Every method raises `Refused` when the other side says no or does not answer.
    """

    def __init__(
        self, panoptes: Panoptes, caesar: Caesar, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._panoptes, self.caesar, self._clock = panoptes, caesar, clock
        self._workflows: dict[int, tuple[float, Workflow]] = {}
        self._lock = threading.Lock()

    def workflow(self, workflow_id: int) -> Workflow:
        """Return a workflow as Panoptes holds it, at most a minute ago."""
        with self._lock:
            read_at, workflow = self._workflows.get(workflow_id, (0.0, None))
        if workflow is None or self._clock() > read_at + KEPT_SECONDS:
            workflow = self._panoptes.workflow(workflow_id)
            with self._lock:
                self._workflows[workflow_id] = (self._clock(), workflow)
        return workflow

    def subject(self, subject_id: int) -> Subject:
        """Return a subject as Panoptes holds it."""
        return self._panoptes.subject(subject_id)

    def shown(self, workflow_id: int, subject_id: int) -> Mapping[str, Any] | None:
        """Return the proposal that Caesar shows volunteers of a subject, None where it has none."""
        for reduction in self.caesar.reductions(workflow_id, subject_id):
            data = reduction.data
            if (
                reduction.reducer_key == REDUCER_KEY
                and isinstance(data, Mapping)
                and isinstance(data.get("data"), list)
                and data.get("proposal_id")
            ):
                return data
        return None

    def check_claim(self, call: ReducerCall) -> None:
        """Refuse a call about extracts that Caesar does not have.

        Caesar signs nothing: whoever learnt the address could call. What is kept for ever is only
        what Caesar confirms.

        Raises
        ------
        BadInput
        """
        for key, claimed in call.extract_ids.items():
            known = self.caesar.extract_ids(call.workflow_id, call.subject_id, key)
            missing = sorted(claimed - known)
            if missing:
                raise BadInput(
                    f"subject {call.subject_id}: expected extracts that Caesar has under "
                    f"{key[:40]!r}, got {len(missing)} that it has not, such as {missing[0]}"
                )
