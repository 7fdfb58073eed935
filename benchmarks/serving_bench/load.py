"""Who asks, how often, and what do they get? A client of many connections, alone in its process.

``python load.py SPEC`` reads a JSON object and writes one. Connections are kept alive and watched
by one selector, so that the client takes as little of the machine as a client in Python can; the
caller pins it to a core of its own. *Closed* load: each connection asks again as soon as it has its
answer. *Open* load: requests fall due at times that do not care for the answers, as those of many
people do; one that finds no free connection opens another.
"""

from __future__ import annotations

import itertools
import json
import random
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HEAD_END = b"\r\n\r\n"


@dataclass
class Connection:
    """One connection, and the request on it."""

    socket: socket.socket
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    missing: int | None = None
    status: int = 0
    closes: bool = False
    busy: bool = False


class Load:
    """Sends requests and counts what comes back.

    Parameters
    ----------
    requests : list of bytes
        Whole requests, sent in turns.
    """

    def __init__(self, host: str, port: int, requests: list[bytes]) -> None:
        self.host, self.port, self.requests = host, port, requests
        self.selector = selectors.DefaultSelector()
        self.idle: list[Connection] = []
        self.statuses: Counter[str] = Counter()
        self.done: list[tuple[float, float, int]] = []
        self.turn = 0
        self.open = 0
        self.refused_connections = 0

    def connect(self) -> Connection | None:
        """Open a connection; None when nobody listens."""
        made = socket.socket()
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(10)
        try:
            made.connect((self.host, self.port))
        except OSError:
            made.close()
            self.refused_connections += 1
            return None
        made.setblocking(False)
        self.open += 1
        connection = Connection(made)
        self.selector.register(made, selectors.EVENT_READ, connection)
        return connection

    def send(self, connection: Connection) -> None:
        """Send the next request."""
        request = self.requests[self.turn % len(self.requests)]
        self.turn += 1
        connection.busy, connection.missing = True, None
        connection.received.clear()
        connection.sent_at = time.perf_counter()
        try:
            # Small enough for the kernel's buffer; else the rest waits for it.
            connection.socket.setblocking(True)
            connection.socket.sendall(request)
            connection.socket.setblocking(False)
        except OSError:
            self.lose(connection)

    def lose(self, connection: Connection) -> None:
        """Count a request that got no answer, and forget its connection."""
        if connection.busy:
            self.statuses["lost"] += 1
        self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """Close a connection."""
        self.selector.unregister(connection.socket)
        connection.socket.close()
        connection.busy = False
        self.open -= 1
        if connection in self.idle:
            self.idle.remove(connection)

    def poll(self, timeout: float) -> list[Connection]:
        """Read what came; return the connections whose answer is whole."""
        ready = []
        for key, _ in self.selector.select(timeout):
            connection: Connection = key.data
            try:
                data = connection.socket.recv(262144)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                self.lose(connection)
                continue
            connection.received += data
            if connection.missing is None:
                end = connection.received.find(HEAD_END)
                if end < 0:
                    continue
                head = bytes(connection.received[:end]).lower()
                connection.status = int(head[9:12])
                connection.closes = b"connection: close" in head
                place = head.find(b"content-length:")
                length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
                connection.missing = end + 4 + length
            if len(connection.received) >= connection.missing:
                now = time.perf_counter()
                self.statuses[str(connection.status)] += 1
                self.done.append((now, now - connection.sent_at, connection.status))
                connection.busy = False
                ready.append(connection)
        return ready

    def closed(self, connections: int, seconds: float, pause_429: float = 0.0) -> None:
        """Let each connection ask again and again; who is told to close goes and does not return.

        Parameters
        ----------
        pause_429 : float
            Seconds that a refused client waits; 0 asks again at once.
        """
        end = time.perf_counter() + seconds
        paused: list[tuple[float, Connection]] = []
        for _ in range(connections):
            made = self.connect()
            if made is not None:
                self.send(made)
        while self.open and (time.perf_counter() < end or any_busy(self)):
            for connection in self.poll(0.02):
                if connection.closes:
                    self.drop(connection)
                elif time.perf_counter() < end:
                    if connection.status == 429 and pause_429:
                        paused.append((time.perf_counter() + pause_429, connection))
                    else:
                        self.send(connection)
            now = time.perf_counter()
            for entry in [entry for entry in paused if entry[0] <= now]:
                paused.remove(entry)
                if now < end:
                    self.send(entry[1])
            if time.perf_counter() > end + 30:
                break

    def at_rate(self, rate: float, seconds: float, seed: int = 0, most: int = 2000) -> None:
        """Send at random times, `rate` a second on average."""
        chance = random.Random(seed)
        begun = time.perf_counter()
        due = begun
        while True:
            now = time.perf_counter()
            if now > begun + seconds:
                break
            while due <= now:
                due += chance.expovariate(rate)
                if self.idle:
                    self.send(self.idle.pop())
                elif self.open < most:
                    made = self.connect()
                    if made is not None:
                        self.send(made)
                else:
                    self.statuses["not sent"] += 1
            for connection in self.poll(max(0.0, min(0.02, due - time.perf_counter()))):
                if connection.closes:
                    self.drop(connection)
                else:
                    self.idle.append(connection)
        end = time.perf_counter() + 30
        while any_busy(self) and time.perf_counter() < end:
            self.poll(0.02)


def any_busy(load: Load) -> bool:
    """Whether an answer is still awaited."""
    return any(key.data.busy for key in load.selector.get_map().values())


def share(values: list[float], part: float) -> float:
    """Return a quantile, 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def summary(load: Load, begun: float, skip: float) -> dict[str, object]:
    """Return counts, and latencies of the accepted after the first `skip` seconds."""
    good = [(at, took) for at, took, status in load.done if status == 200 and at > begun + skip]
    times = [took for _, took in good]
    span = (good[-1][0] - good[0][0]) if len(good) > 1 else 0.0
    ends = sorted(at for at, _, status in load.done if status == 200)
    gap = max((b - a for a, b in itertools.pairwise(ends)), default=0.0)
    return {
        "statuses": dict(load.statuses),
        "rate": (len(good) - 1) / span if span > 0 else 0.0,
        "p50": share(times, 0.5),
        "p99": share(times, 0.99),
        "longest_gap": gap,
        "refused_connections": load.refused_connections,
    }


def main() -> int:
    """Run what the specification says."""
    spec = json.loads(Path(sys.argv[1]).read_text())
    requests = [Path(path).read_bytes() for path in spec["requests"]]
    load = Load(spec["host"], spec["port"], requests)
    begun = time.perf_counter()
    if spec["kind"] == "closed":
        load.closed(spec["connections"], spec["seconds"], spec.get("pause_429", 0.0))
    else:
        load.at_rate(spec["rate"], spec["seconds"])
    json.dump(summary(load, begun, spec.get("skip", 0.0)), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
