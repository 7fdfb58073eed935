"""May the server listen there? Asked before it starts: its own answer would be a backtrace."""

from __future__ import annotations

import errno
import ipaddress
import socket

from zooassist_plugin.errors import BadInput


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_to_listen_on(host: str, port: int) -> str:
    """Return the numbers of a host's address when its port can be listened on.

    Raises
    ------
    BadInput
        When the host is none of this machine's, or the port is taken or not for this user.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise BadInput(
            f"--host {host}: expected an address of this machine, found none of that name; use "
            "127.0.0.1 for this machine alone, 0.0.0.0 for all networks"
        ) from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        # As every server does: a port whose last connections are closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise BadInput(_explained(error, host, port)) from error
    return str(address[0])


def _explained(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken; choose another --port, or end what listens there"
    if error.errno == errno.EACCES:
        return f"port {port} is kept for the system; choose a --port above 1023"
    return (
        f"--host {host}: cannot listen there: {error.strerror}; use 127.0.0.1 for this machine "
        "alone, 0.0.0.0 for all networks"
    )
