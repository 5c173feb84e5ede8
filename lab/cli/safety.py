"""``athanor safety``: the safety supervisor of one lab, in this terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli.errors import sentences
from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.safety.alarms.notify_routes import Route
    from lab.safety.supervisor.config import HttpPlace

Become = Callable[[list[str]], None]


def become(command: list[str]) -> None:
    """Be another program from now on: a supervisor carries nothing of what read its rules."""
    os.execv(command[0], command)


def run_safety(
    lab_path: Path | None,
    *,
    http: str | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    users: Path | None = None,
    routes: Sequence[Route] = (),
    as_json: bool = False,
    become: Become = become,
) -> None:
    """Lint and compile the interlock file, then become the supervisor until SIGTERM or Ctrl-C.

    Where the file does not lint nothing is started, and a supervisor that runs stays as it is.

    Args:
        lab_path: The lab file; None for the packaged lab.
        http: ``HOST:PORT`` for STOP, with port 0 for any; None for the loopback address and any port.
        cert: Certificate for another host than the loopback one.
        key: Its key.
        users: File of the people who may approve bypasses.
        routes: Who is told of alarms.
        as_json: Print one JSON object when it is ready instead of a line.
        become: Replaces this process.
    """
    with sentences():
        from lab.config.lab_file import load_lab, packaged_lab
        from lab.records.lock import runtime_folder
        from lab.safety.supervisor.launch import config_of
        from lab.safety.supervisor.process import command_of, running_supervisor, write_config

        lab = load_lab(lab_path or packaged_lab())
        routes = routes or (() if lab.file.notify is None else lab.file.notify.all)
        config = config_of(lab, http=_place(http, cert, key), users=users, routes=routes)
        other = running_supervisor(lab.name)
        if other is not None:
            raise UsageError(f"lab {lab.name} has a supervisor already (process {other['pid']}): end that one first")
        config["announce"] = "json" if as_json else "text"
        command = command_of(write_config(config, runtime_folder(lab.name)))
    become(command)


def _place(http: str | None, cert: Path | None, key: Path | None) -> HttpPlace:
    from lab.safety.supervisor.config import LOOPBACK, HttpPlace

    host, _, port = (http or f"{LOOPBACK}:0").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--http {http}: is no HOST:PORT: write 127.0.0.1:8090, or port 0 for any")
    return HttpPlace(host.strip("[]"), int(port), cert, key)
