"""Starts a supervisor, finds one that runs, and asks it one thing; for whoever is not the supervisor itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.errors import LabError, UsageError
from lab.records.lock import lock_folder, runtime_folder
from lab.safety.supervisor.sockets import Lines, WireFormatError, connect_unix, encode

SOCKET = "safety.sock"
FACTS = "safety.json"
CONFIG = "safety-config.json"
LOG = "supervisor.log"
READY_S = 10.0
"""Wall seconds in which a supervisor must have made its first scan."""
ANSWER_S = 3.0
LOOK_AGAIN_S = 0.01

OnProgress = Callable[[dict[str, Any]], None]


class SupervisorGoneError(LabError):
    """Nobody answers where the supervisor should be."""


def ask(
    folder: Path,
    message: Mapping[str, Any],
    *,
    within_s: float = ANSWER_S,
    on_progress: OnProgress = lambda event: None,
) -> dict[str, Any]:
    """Ask the supervisor of a runtime folder one thing.

    Args:
        folder: The laboratory's runtime folder.
        message: ``{"do": ..., ...}``.
        within_s: Wall seconds until the answer is given up.
        on_progress: Told of what comes before the answer.

    Returns:
        The answer: ``{"ok": True, ...}`` or ``{"ok": False, "reasons": [...]}``.

    Raises:
        SupervisorGoneError: Where nobody answers in time.
    """
    path, deadline_s = folder / SOCKET, time.monotonic() + within_s
    try:
        with connect_unix(path, within_s) as stream:
            stream.sendall(encode({**message, "id": 1}))
            lines = Lines(stream)
            while (found := lines.receive(deadline_s)) is not None:
                if "progress" in found:
                    on_progress(found["progress"])
                elif found.get("id") == 1:
                    return _without_number(found)
    except (OSError, WireFormatError) as error:
        raise SupervisorGoneError(
            f"{path}: the safety supervisor does not answer ({error}): start it with athanor safety"
        ) from None
    raise SupervisorGoneError(f"{path}: the safety supervisor ended before it answered: start it with athanor safety")


def start_supervisor(config: Mapping[str, Any], folder: Path, *, within_s: float = READY_S) -> subprocess.Popen[bytes]:
    """Start a supervisor that outlives this process, and wait until it has made its first scan.

    Args:
        config: What `lab.safety.supervisor.config` reads.
        folder: The laboratory's runtime folder.
        within_s: Wall seconds until it must be there.

    Raises:
        UsageError: Where it ends instead, with what it said, or is not there in time; nothing runs then.
    """
    with (folder / LOG).open("ab") as log:
        said_from = log.tell()
        process = subprocess.Popen(
            command_of(write_config(config, folder)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline_s = time.monotonic() + within_s
    while _facts(folder).get("pid") != process.pid or not _answers(folder):
        if process.poll() is not None or time.monotonic() > deadline_s:
            process.kill()
            process.wait()
            with (folder / LOG).open("rb") as log:
                log.seek(said_from)
                said = log.read().decode(errors="replace").strip().removeprefix("athanor: ")
            raise UsageError(said or f"the safety supervisor was not there within {within_s:g} s ({folder / LOG})")
        time.sleep(LOOK_AGAIN_S)
    return process


def write_config(config: Mapping[str, Any], folder: Path) -> Path:
    """Write what a supervisor is told, for nobody else to read, and give the file."""
    path = folder / CONFIG
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({**config, "folder": str(folder)}, file)
    return path


def command_of(config: Path) -> list[str]:
    """The command line of a supervisor."""
    return [sys.executable, "-m", "lab.safety.supervisor", str(config)]


def running_supervisor(instance: str) -> dict[str, Any] | None:
    """What the supervisor of a laboratory says of itself; None where none answers.

    Args:
        instance: The laboratory, as `lab.records.lock.instance_of` names it.
    """
    folder = runtime_folder(instance)
    facts = _facts(folder)
    return facts if facts and _answers(folder) else None


def supervised_labs() -> list[str]:
    """Laboratories that have a supervisor's socket, whether or not anybody answers there."""
    return sorted(path.parent.name for path in (lock_folder() / "run").glob(f"*/{SOCKET}"))


def request_to(instance: str | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Give what passes requests on to the supervisor of one laboratory.

    Args:
        instance: The laboratory; None for the only one that has a supervisor.

    Raises:
        UsageError: Where there is no such laboratory, or it is not clear which one is meant.
    """
    names = supervised_labs()
    if instance is None and len(names) == 1:
        instance = names[0]
    if instance not in names:
        known = ", ".join(names) or "none"
        raise UsageError(f"--lab {instance or 'was not given'}: labs with a safety supervisor are: {known}; give one")
    folder = lock_folder() / "run" / instance
    return lambda message: ask(folder, message)


def _answers(folder: Path) -> bool:
    try:
        return "scan" in ask(folder, {"do": "state"}, within_s=1.0).get("state", {})
    except SupervisorGoneError:
        return False


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _without_number(found: dict[str, Any]) -> dict[str, Any]:
    """An answer as it would be without a socket between: ``id`` is that of a bypass, not of the request."""
    answered = {name: value for name, value in found.items() if name != "id"}
    if "bypass" in answered:
        answered["id"] = answered["bypass"]
    return answered
