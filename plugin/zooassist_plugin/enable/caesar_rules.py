"""Are the switches set on both sides? Rules on configuration and Caesar, with their repairs."""

from __future__ import annotations

from typing import Any

from zooassist_plugin.caesar import Reducer
from zooassist_plugin.enable.situation import FLAG, Repair, Rule, Situation
from zooassist_plugin.extracts_csv import EXTRACTOR_KEY
from zooassist_plugin.presenters.machine_learnt import REDUCER_KEY

REDUCER: dict[str, Any] = {
    "type": "first_extract",
    "key": REDUCER_KEY,
    "topic": "reduce_by_subject",
    "filters": {"extractor_keys": [EXTRACTOR_KEY]},
}
# Another service may be writing proposals through these; they are replaced only on request.
FOREIGN_TYPES = ("external", "placeholder", "sqs")
UNKNOWN = "not known to Caesar yet"


def _flag(situation: Situation) -> tuple[bool, str]:
    value = situation.workflow.configuration.get(FLAG)
    return value is True, f"{FLAG} is {value!r}"


def _switch_flag_on(situation: Situation) -> tuple[Repair, ...]:
    workflow_id = situation.workflow.workflow_id
    return (
        Repair(
            f"Panoptes PUT /workflows/{workflow_id} configuration.{FLAG} = true",
            lambda panoptes, caesar: panoptes.configure(workflow_id, {FLAG: True}),
        ),
    )


def _logged_in(situation: Situation) -> tuple[bool, str]:
    return situation.logged_in, "logged in" if situation.logged_in else "not logged in"


def _followed(situation: Situation) -> tuple[bool | None, str]:
    if situation.caesar is not None:
        return True, "known to Caesar"
    if not situation.logged_in:
        return None, "not shown without a login"
    return False, "not known to Caesar, or not to this account"


def _follow(situation: Situation) -> tuple[Repair, ...]:
    workflow_id = situation.workflow.workflow_id
    return (
        Repair(
            f"Caesar POST /workflows id = {workflow_id}, public_reductions = true",
            lambda panoptes, caesar: caesar.create_workflow(workflow_id),
        ),
    )


def _active(situation: Situation) -> tuple[bool | None, str]:
    if situation.caesar is None:
        return None, UNKNOWN
    return situation.caesar.status == "active", f"status {situation.caesar.status}"


def _public(situation: Situation) -> tuple[bool | None, str]:
    if situation.caesar is None:
        return None, UNKNOWN
    return situation.caesar.public_reductions, (
        f"public_reductions is {str(situation.caesar.public_reductions).lower()}"
    )


def _publish(situation: Situation) -> tuple[Repair, ...]:
    # Checked only where Caesar knows the workflow; a new one is created public.
    extracts = situation.caesar is not None and situation.caesar.public_extracts
    workflow_id = situation.workflow.workflow_id
    return (
        Repair(
            f"Caesar PUT /workflows/{workflow_id} public_reductions = true",
            # Both flags are named: a left-out one must not fall back to its default.
            lambda panoptes, caesar: caesar.update_workflow(
                workflow_id, public_reductions=True, public_extracts=extracts
            ),
        ),
    )


def _reducer_of(situation: Situation) -> Reducer | None:
    return next((each for each in situation.reducers if each.key == REDUCER_KEY), None)


def _reducer_exists(situation: Situation) -> tuple[bool | None, str]:
    if situation.caesar is None and not situation.logged_in:
        return None, UNKNOWN
    found = _reducer_of(situation)
    if found is None:
        return False, f"no reducer with the key {REDUCER_KEY}"
    wanted = REDUCER["type"]
    return found.type == wanted, f"{found.type}, expected {wanted}" if found.type != wanted else (
        f"{REDUCER_KEY} of type {wanted}"
    )


def _make_reducer(situation: Situation) -> tuple[Repair, ...]:
    workflow_id, found = situation.workflow.workflow_id, _reducer_of(situation)
    create = Repair(
        f"Caesar POST /workflows/{workflow_id}/reducers {REDUCER_KEY}, first_extract of "
        f"{EXTRACTOR_KEY}",
        lambda panoptes, caesar: caesar.create_reducer(workflow_id, REDUCER),
    )
    if found is None:
        return (create,)
    if found.type in FOREIGN_TYPES and not situation.replace_reducer:
        return ()
    # A reducer's type cannot be changed; its reductions outlive it.
    remove = Repair(
        f"Caesar DELETE /workflows/{workflow_id}/reducers/{found.reducer_id} ({found.type})",
        lambda panoptes, caesar: caesar.delete_reducer(workflow_id, found.reducer_id),
    )
    return (remove, create)


def _reducer_reads_ours(situation: Situation) -> tuple[bool | None, str]:
    found = _reducer_of(situation)
    if found is None or found.type != REDUCER["type"]:
        return None, "no reducer of the right type yet"
    problems = []
    if found.filters.get("extractor_keys") != REDUCER["filters"]["extractor_keys"]:
        problems.append(f"extractor_keys {found.filters.get('extractor_keys')}")
    problems += [f"filter {name}" for name in ("from", "to") if found.filters.get(name)]
    if found.grouping:
        problems.append(f"grouping {dict(found.grouping)}")
    if found.topic != REDUCER["topic"]:
        problems.append(f"topic {found.topic}")
    if found.reduction_mode != "default_reduction":
        problems.append(f"mode {found.reduction_mode}")
    return not problems, ", ".join(problems) or f"takes the extracts of {EXTRACTOR_KEY} only"


def _mend_reducer(situation: Situation) -> tuple[Repair, ...]:
    found = _reducer_of(situation)
    if found is None or found.type != REDUCER["type"]:
        return ()  # _make_reducer does it
    workflow_id = situation.workflow.workflow_id
    content = {
        "topic": REDUCER["topic"],
        "filters": REDUCER["filters"],
        "grouping": {},
        "reduction_mode": "default_reduction",
    }
    return (
        Repair(
            f"Caesar PUT /workflows/{workflow_id}/reducers/{found.reducer_id} "
            f"filters.extractor_keys = [{EXTRACTOR_KEY}]",
            lambda panoptes, caesar: caesar.update_reducer(workflow_id, found.reducer_id, content),
        ),
    )


def _key_is_private(situation: Situation) -> tuple[bool | None, str]:
    if situation.caesar is None:
        return None, UNKNOWN
    found = [each for each in situation.extractors if each.key == EXTRACTOR_KEY]
    if found:
        return False, f"a {found[0].type} extractor writes under {EXTRACTOR_KEY}"
    return True, f"no live extractor writes under {EXTRACTOR_KEY}"


ACCOUNT_RULES: tuple[Rule, ...] = (
    Rule(
        "logged in",
        _logged_in,
        "set PANOPTES_USERNAME and PANOPTES_PASSWORD (or a client's id and secret) of an owner or "
        "collaborator of the project",
    ),
)
CAESAR_RULES: tuple[Rule, ...] = (
    Rule(
        "fetching switched on",
        _flag,
        "run `zooassist enable`, which sets it in the workflow's configuration",
        _switch_flag_on,
    ),
    Rule(
        "Caesar follows it",
        _followed,
        "run `zooassist enable` as an owner or collaborator of the project",
        _follow,
    ),
    Rule(
        "Caesar is active",
        _active,
        # Not mended: waking a paused workflow also runs its rules, which may retire subjects.
        "set the workflow's status to active in Caesar when its rules may run again",
    ),
    Rule(
        "reductions are public",
        _public,
        "run `zooassist enable`: the volunteers' query carries no login",
        _publish,
    ),
    Rule(
        "a reducer for proposals",
        _reducer_exists,
        "run `zooassist enable`; a reducer that another service writes through is replaced only "
        "with --replace-reducer",
        _make_reducer,
    ),
    Rule(
        "the reducer's filter",
        _reducer_reads_ours,
        "run `zooassist enable`, which filters it to our own extracts",
        _mend_reducer,
    ),
    Rule(
        "a private extractor key",
        _key_is_private,
        "rename or remove that extractor in Caesar: its extracts would replace the proposals",
    ),
)
