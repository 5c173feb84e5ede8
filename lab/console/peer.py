"""Who is at the other end of a connection, as the kernel knows it."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from dataclasses import dataclass

from lab.safety.supervisor.sockets import peer_of as kernel_peer


@dataclass(frozen=True)
class Peer:
    """The process that opened a Unix connection (SO_PEERCRED, ``man 7 unix``)."""

    pid: int
    uid: int

    @property
    def login(self) -> str:
        """Its user's name in the operating system."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid-{self.uid}"

    @property
    def is_ours(self) -> bool:
        """Whether it runs as the user of this process, or as root: it could do anything to this process anyway."""
        return self.uid in (os.getuid(), 0)


@dataclass(frozen=True)
class Connection:
    """What the server tells the app about the connection of a request."""

    peer: Peer | None
    """None over TCP."""
    abort: Callable[[], None]
    """Cuts the connection without sending what waits."""


def peer_of(sock: socket.socket) -> Peer | None:
    """The process behind a Unix connection; None for any other connection."""
    return Peer(*kernel_peer(sock)) if sock.family == socket.AF_UNIX else None
