"""A laboratory that is served: the lab service, who may come in, the live state, and the server, put together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.console.app import build_app
from lab.console.client import SOCKET
from lab.console.entrance import Entrance
from lab.console.events import Broadcast
from lab.console.listen import Listen, bind_tcp
from lab.console.parts import Parts
from lab.console.server import LabServer
from lab.console.service import LabService
from lab.errors import UsageError
from lab.safety.people.tokens import TokenStore
from lab.safety.people.users import UserStore
from lab.safety.supervisor.process import FACTS
from lab.safety.supervisor.sockets import bind_unix


@dataclass(frozen=True)
class Served:
    """A lab service that takes requests."""

    service: LabService
    url: str | None
    """Where browsers reach it; None without TCP."""


@contextmanager
def served(parts: Parts, runtime: Path, users: UserStore, listen: Listen | None = None) -> Iterator[Served]:
    """Serve a laboratory inside the block.

    Args:
        parts: The laboratory.
        runtime: Its runtime folder, where the service's socket goes.
        users: Its people; their tokens are beside them.
        listen: Where to listen over TCP besides; checked already.

    Raises:
        UsageError: Where the socket or the address cannot be had.
        LabError: Where the server does not start.
    """
    service = LabService(parts)
    tokens = TokenStore(users.path.with_name("tokens.json"), users)
    broadcast = Broadcast(service.look)
    app = build_app(service, Entrance(users, tokens, parts.audit), broadcast, lambda: stop_url(runtime))
    path = runtime / SOCKET
    with ExitStack() as resources:
        try:
            unix = bind_unix(path)
        except OSError as error:
            raise UsageError(f"{path}: the lab service cannot be reached there ({error.strerror})") from None
        resources.callback(path.unlink, missing_ok=True)
        resources.callback(unix.close)
        tcp = None if listen is None else (resources.enter_context(bind_tcp(listen)), listen)
        server = LabServer(app, unix=unix, tcp=tcp, before_end=broadcast.close)
        resources.callback(server.close)
        server.start()
        yield Served(service, None if tcp is None else url_of(listen, tcp[0].getsockname()[1]))


def stop_url(runtime: Path) -> str | None:
    """Where the supervisor of a laboratory takes a STOP over HTTP; None where it does not."""
    try:
        facts = json.loads((runtime / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    http = facts.get("http") if isinstance(facts, dict) else None
    return f"{http.rstrip('/')}/stop" if isinstance(http, str) and http else None


def url_of(listen: Listen | None, port: int) -> str | None:
    """What a person types into a browser.

    >>> url_of(Listen("::1"), 8765)
    'http://[::1]:8765/'
    """
    if listen is None:
        return None
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{'https' if listen.tls else 'http'}://{host}:{port}/"
