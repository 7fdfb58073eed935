"""A real S3 server, Ceph's RADOS gateway of Debian, started and stopped by a test.

``apt-get install ceph-mon ceph-osd radosgw ceph-common``; about half a minute and a gigabyte of
memory. Every file lies in one folder, every port is on loopback.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
STARTUP_SECONDS = 150
# A port that was free a moment ago may be somebody's when the monitor asks for it, and then the
# others wait for it in vain.
ATTEMPTS = 3
CONFIG = """[global]
fsid = {fsid}
mon_host = [v1:127.0.0.1:{mon}]
mon_initial_members = a
ms_bind_msgr2 = false
ms_bind_ipv6 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_max_pg_per_osd = 2000
osd_objectstore = bluestore
bluestore_block_size = 4294967296
osd_memory_target = 1073741824
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
log_file = {folder}/$name.log
mon_cluster_log_file = {folder}/cluster.log
admin_socket = {folder}/$name.asok
pid_file = {folder}/$name.pid
run_dir = {folder}
keyring = {folder}/keyring
crash_dir = {folder}
rgw_enable_usage_log = false
rgw_lc_debug_interval = -1
"""


@dataclass(frozen=True)
class Gateway:
    """Where the server is, and who may use it."""

    url: str
    access_key: str
    secret_key: str


def missing_programs() -> list[str]:
    """Return what is not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def free_port() -> int:
    """Return a port that nobody has, for now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def ceph_gateway(folder: Path) -> Iterator[Gateway]:
    """Run a cluster of one monitor, one disk and one gateway."""
    with ExitStack() as stack:
        for attempt in range(1, ATTEMPTS + 1):
            home = folder / str(attempt)
            home.mkdir()
            try:
                gateway = stack.enter_context(_cluster(home))
                break
            except (RuntimeError, subprocess.TimeoutExpired):
                if attempt == ATTEMPTS:
                    raise
        yield gateway


@contextmanager
def _cluster(folder: Path) -> Iterator[Gateway]:
    mon, port = free_port(), free_port()
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    fsid, disk = str(uuid.uuid4()), str(uuid.uuid4())
    config = folder / "ceph.conf"
    config.write_text(CONFIG.format(fsid=fsid, mon=mon, folder=folder))
    (folder / "keyring").write_text("")
    environ = os.environ | {"CEPH_CONF": str(config)}

    def run(*command: str, seconds: float = STARTUP_SECONDS) -> str:
        done = subprocess.run(
            command, env=environ, cwd=folder, capture_output=True, text=True, timeout=seconds
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-1500:]}")
        return done.stdout

    running: list[subprocess.Popen[bytes]] = []

    def start(command: Sequence[str]) -> None:
        with (folder / f"{command[0]}.out").open("wb") as out:
            running.append(
                subprocess.Popen(
                    command, env=environ, cwd=folder, stdout=out, stderr=out, start_new_session=True
                )
            )

    common = ("--conf", str(config))
    try:
        monmap = str(folder / "monmap")
        address = f"[v1:127.0.0.1:{mon}]"
        run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap)
        run("ceph-mon", *common, "--mkfs", "-i", "a", "--monmap", monmap)
        start(["ceph-mon", *common, "-i", "a", "-f"])
        run("ceph", *common, "osd", "new", disk)
        run("ceph-osd", *common, "-i", "0", "--mkfs", "--osd-uuid", disk)
        start(["ceph-osd", *common, "-i", "0", "-f"])
        keys = secrets.token_hex(10), secrets.token_hex(20)
        front = f"beast endpoint=127.0.0.1:{port}"
        start(["radosgw", *common, "-n", "client.rgw", "--rgw-frontends", front, "-f"])
        user = ("--uid=tester", "--display-name=tester")
        made = run(
            *("radosgw-admin", *common, "user", "create", *user),
            *(f"--access-key={keys[0]}", f"--secret-key={keys[1]}"),
        )
        json.loads(made[made.index("{") :])
        deadline = time.monotonic() + STARTUP_SECONDS
        while True:
            dead = [p for p in running if p.poll() is not None]
            if dead or time.monotonic() > deadline:
                said = "".join(p.read_text(errors="replace")[-800:] for p in folder.glob("*.out"))
                raise RuntimeError(f"Ceph does not start: {said}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.3)
        yield Gateway(f"http://127.0.0.1:{port}", *keys)
    finally:
        for process in reversed(running):
            process.terminate()
        for process in reversed(running):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
