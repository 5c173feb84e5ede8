"""``athanor serve``: one laboratory with its lab service, until somebody ends it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.errors import sentences
from lab.cli.places import data_folder, lab_file
from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.console.listen import Listen
    from lab.safety.people.users import UserStore
    from lab.safety.supervisor.config import HttpPlace

FIRST_USER = "admin"
"""Who adds everybody else."""
ENDED_BY = (signal.SIGTERM, signal.SIGINT)


def serve_lab(
    lab_path: Path | None,
    *,
    data: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    behind_proxy: Sequence[str] = (),
    clock: str | None = None,
    as_json: bool = False,
) -> None:
    """Open a lab and serve it until SIGTERM or Ctrl-C; then everything is left cold.

    Args:
        lab_path: The lab file; None for the packaged lab.
        data: Folder for what comes out; None makes one under ``runs/``.
        host: Where to listen over TCP; None: only this machine. Another host needs TLS, or a proxy that brings it.
        port: TCP port, 0 for any free one; None: 8765.
        tls_cert: Certificate in PEM.
        tls_key: Its key.
        behind_proxy: Addresses of the proxies that bring TLS; nobody else is let in over TCP.
        clock: ``real`` or ``scaled K``; None: real.
        as_json: Print one JSON object when it is ready instead of lines.
    """
    with sentences(), _until_told() as told:
        from lab.campaign.session import take_back
        from lab.config.lab_file import load_lab
        from lab.console.running import served
        from lab.startup import Choices, jumps, open_service

        listen = _listen(host, port, tls_cert, tls_key, behind_proxy)
        config = load_lab(lab_file(lab_path))
        if jumps(clock or "real", simulated=not config.real_devices):
            raise UsageError("--clock jump: time would jump past everybody who is served: use real or 'scaled K'")
        folder = data_folder(data, f"{config.name}-service", ("raw",))
        with ExitStack() as stack:
            try:
                opened, runtime = stack.enter_context(
                    open_service(config, folder, Choices(clock=clock or "real", http=_stop_place(listen)))
                )
                serving = stack.enter_context(served(opened.parts, runtime, opened.users, listen))
            except BaseException:
                stack.callback(take_back, folder)
                raise
            _tell(
                {
                    "lab": config.name,
                    "world": opened.world,
                    "url": serving.url,
                    "runtime": str(runtime),
                    "data": str(folder),
                    "pid": os.getpid(),
                    "first_user": _first_user(opened.users),
                },
                as_json=as_json,
            )
            told.wait()
            if not as_json:
                _say("ending: everything is left cold")


class Told:
    """Whether somebody has told this process to end."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def __call__(self, *_signal: object) -> None:
        """Take a signal; a pipe may be written wherever the program was interrupted, a lock may not be taken."""
        os.write(self._write, b".")

    def wait(self) -> None:
        """Wait until somebody has."""
        os.read(self._read, 1)

    def close(self) -> None:
        """Listen no more."""
        os.close(self._read)
        os.close(self._write)


@contextmanager
def _until_told() -> Iterator[Told]:
    """Have SIGTERM and Ctrl-C end the service in good order; a second one ends it at once."""
    with closing(Told()) as told:
        before = {number: signal.getsignal(number) for number in ENDED_BY}

        def end(*_signal: object) -> None:
            for number, handler in before.items():
                signal.signal(number, handler)
            told()

        for number in ENDED_BY:
            signal.signal(number, end)
        try:
            yield told
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(
    host: str | None, port: int | None, tls_cert: Path | None, tls_key: Path | None, behind_proxy: Sequence[str]
) -> Listen:
    from lab.console.listen import DEFAULT_PORT, LOOPBACK, Listen

    listen = Listen(
        LOOPBACK if host is None else host,
        DEFAULT_PORT if port is None else port,
        tls_cert,
        tls_key,
        tuple(behind_proxy),
    )
    listen.check()
    return listen


def _stop_place(listen: Listen) -> HttpPlace | None:
    """Where the supervisor serves STOP: where the console is, with the same certificate, but on its own port."""
    from lab.safety.supervisor.config import HttpPlace

    return HttpPlace(listen.host, 0, listen.tls_cert, listen.tls_key) if listen.tls else None


def _first_user(users: UserStore) -> dict[str, str] | None:
    """An admin with a one-time secret where there is nobody yet, so that somebody can log in."""
    if users.list():
        return None
    return {"user": FIRST_USER, "secret": users.add(FIRST_USER, ["admin"])}


def _tell(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        return
    _say(f"lab {facts['lab']} ({facts['world']}) is served at {facts['url']}, data go to {facts['data']}")
    first = facts["first_user"]
    if first is not None:
        _say(
            f"there are no users yet: log in as {first['user']} with the one-time secret {first['secret']} (shown this "
            "once), set a secret of your own, and add people with `athanor user add NAME --role ROLE`"
        )
    _say("Ctrl-C ends it; `athanor stop` stops everything at once")


def _say(line: str) -> None:
    # Nobody may be reading any more, and a lab does not end for that.
    with suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
