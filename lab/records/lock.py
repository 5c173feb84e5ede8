"""Who runs which laboratory: a lock named after it, which also tells where its data are."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from lab.errors import UsageError


def lock_folder() -> Path:
    """Where locks are, for this user."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "athanor"


def runtime_folder(instance: str) -> Path:
    """Where the processes of one laboratory find each other: sockets, process ids, what outlives a restart.

    Args:
        instance: The lab's name; a laboratory that lives in one process has its process id added.

    Raises:
        UsageError: Where the folder cannot be made.
    """
    path = lock_folder() / "run" / instance
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(
            f"{path}: the lab's sockets cannot be there ({error.strerror}): "
            "set XDG_STATE_HOME to a folder that you may write to"
        ) from None
    return path


def instance_of(name: str, *, shared: bool) -> str:
    """How a laboratory is told apart: by its name, or also by its process where each run has one of its own."""
    return name if shared else f"{name}.{os.getpid()}"


@contextmanager
def hold_lab(name: str, data: Path, *, shared: bool) -> Iterator[Path]:
    """Hold a laboratory inside the block, and give its runtime folder.

    Real instruments, and simulated ones with processes of their own, exist once, so their lab is held once; every
    run that simulates its instruments inside itself has a lab of its own.

    Raises:
        UsageError: Where another process holds it, or the lock cannot be written.
    """
    instance = instance_of(name, shared=shared)
    path = lock_folder() / f"{instance}.lock"
    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lab before may have removed the file between our opening and locking it: then
            # this lock is on nothing, and somebody else may hold the real one.
            current = os.fstat(file.fileno()).st_ino == path.stat().st_ino
        except OSError:
            current = False
        if not current:
            raise UsageError(f"lab {name} is held by another process ({path}): wait for it or stop it")
        runtime = runtime_folder(instance)
        file.seek(0)
        file.truncate()
        entry = {"lab": name, "pid": os.getpid(), "data": str(data.resolve()), "runtime": str(runtime)}
        json.dump(entry, file)
        file.flush()
        try:
            yield runtime
        finally:
            path.unlink(missing_ok=True)
            if not shared:
                shutil.rmtree(runtime, ignore_errors=True)


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: the lab's lock cannot be written ({error.strerror}): "
            "set XDG_STATE_HOME to a folder that you may write to"
        ) from None


def held_labs() -> list[dict[str, str | int]]:
    """What every lock that somebody holds says: lab, pid, data. Left-over locks are removed."""
    found = []
    for path in sorted(lock_folder().glob("*.lock")):
        # The holder may be writing the file or removing it while we look: then it is no running lab yet, or none
        # any more. What cannot be opened at all is somebody else's.
        with suppress(OSError, json.JSONDecodeError), path.open("r+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                found.append(json.load(file))
            else:
                path.unlink(missing_ok=True)
    return found
