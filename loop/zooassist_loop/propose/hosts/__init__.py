"""Where can Caesar fetch the bulk CSV? One host per scheme of `--csv-host`."""

from __future__ import annotations

from collections.abc import Callable

from zooassist_loop.propose.hosts.local import local_host
from zooassist_loop.propose.hosts.s3 import s3_host
from zooassist_plugin.errors import BadInput
from zooassist_plugin.extracts_csv import CsvHost
from zooassist_plugin.settings import Settings

# Scheme of `--csv-host` -> (argument, base URL, port) -> host.
HOSTS: dict[str, Callable[[str, str | None, int], CsvHost]] = {
    "local": local_host,
    "s3": s3_host,
}


def csv_host(
    argument: str, settings: Settings, base_url: str | None = None, port: int = 0
) -> CsvHost:
    """Choose the host for `--csv-host`.

    Parameters
    ----------
    argument : str
        ``local`` or ``s3://bucket/prefix``.
    base_url : str, optional
        The address under which a tunnel or proxy makes the local host reachable for Caesar.
    port : int
        The local host's port; 0 takes a free one.

    Raises
    ------
    BadInput
        For an unknown scheme, and for ``local`` when Caesar runs elsewhere and cannot reach
        this machine.
    """
    scheme = argument.partition(":")[0]
    if scheme not in HOSTS:
        raise BadInput(
            f"--csv-host: expected local or s3://bucket/prefix, got {argument!r}; Caesar fetches "
            "the proposals from there"
        )
    if scheme == "local" and not settings.is_local and base_url is None:
        raise BadInput(
            f"--csv-host local: {settings.caesar_endpoint} cannot fetch from this machine's "
            "loopback; give --csv-host s3://bucket/prefix, or --csv-base-url https://… with "
            "--csv-port when a proxy or tunnel leads to this machine"
        )
    return HOSTS[scheme](argument, base_url, port)
