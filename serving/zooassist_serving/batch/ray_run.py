"""How are the shards of a run shared by a Ray cluster? Ray Data hands them out; each is committed.

A worker of Ray is an actor that holds its own model and does what every other worker does: the same
function on the same planned shard, with the same conditional commit. So a cluster that loses nodes
loses nothing, and a run may go on elsewhere, with or without Ray. Ray's own ports have no login:
keep them on a private network.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Final

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.assembling import open_tools
from zooassist_serving.batch.config import BatchConfig
from zooassist_serving.batch.one_off import RunOutcome, finish_run, plan_run, run_shard
from zooassist_serving.batch.processing import Tools

HERE: Final = "local"
THREADS_PER_WORKER: Final = 1


class ShardActor:
    """One worker: loads the model once, then does shard after shard.

    Parameters
    ----------
    settings : dict
        Of `BatchConfig`; plain, so that any Python of the cluster can read it.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        config = BatchConfig.model_validate(settings)
        name = f"ray-{socket.gethostname()}-{os.getpid()}"
        self._tools = open_tools(config, _send_nothing, name)
        [route] = config.routes
        # Reads the plan that the driver has made.
        self._run = plan_run(route, self._tools)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do the shards of a batch; returns rows and errors, one of each per shard."""
        rows, errors = [], []
        for shard in batch["shard"]:
            try:
                rows.append(run_shard(self._run, self._tools, int(shard)).rows)
                errors.append("")
            except BadInput as error:
                rows.append(0)
                errors.append(str(error))
        return {"rows": rows, "error": errors}


def run_on_ray(
    settings: BatchConfig, address: str, workers: int | None
) -> tuple[RunOutcome, Tools]:
    """Plan here, predict there, and commit the job here.

    Parameters
    ----------
    address : str
        Of a cluster, ``auto`` for the one this machine is part of, ``local`` for a new one on
        this machine alone.
    workers : int, optional
        Actors; one per core of the cluster by default.

    Raises
    ------
    BadInput
        When the cluster cannot be reached.
    """
    import ray  # the [ray] extra

    tools = open_tools(settings, _send_nothing)
    [route] = settings.routes
    with tools.models, tools.fetching:
        run = plan_run(route, tools)
        try:
            # The driver's own log lines and prints stay; those of the actors would be mixed in.
            ray.init(
                None if address == HERE else address,
                include_dashboard=False,
                log_to_driver=False,
                num_cpus=workers if address == HERE else None,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise BadInput(
                f"--ray {address}: expected a Ray cluster there, got: {error}; start one with "
                "`ray start --head`, or say local"
            ) from error
        try:
            cluster: Any = ray
            actors = workers or max(1, int(cluster.cluster_resources().get("CPU", 1)))
            plain = settings.model_copy(update={"threads": THREADS_PER_WORKER})
            said = plain.model_dump(mode="json", by_alias=True) | {"reads_anything": True}
            shards = ray.data.from_items(
                [{"shard": shard} for shard in range(len(run.plan.shards))],
                override_num_blocks=len(run.plan.shards),
            )
            done = shards.map_batches(
                ShardActor,
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=min(actors, len(run.plan.shards))),
                fn_constructor_args=(said,),
                num_cpus=THREADS_PER_WORKER,
            ).take_all()
        finally:
            ray.shutdown()
        success = finish_run(run, tools)
    rows = sum(int(each["rows"]) for each in done)
    failures = tuple(str(each["error"]) for each in done if each["error"])
    return RunOutcome(success, rows, failures), tools


def _send_nothing(bodies: Any) -> None:  # noqa: ANN401
    """There is no queue: shards are handed out by Ray."""
