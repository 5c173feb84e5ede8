"""Who runs which laboratory: a lock named after it, which also tells where its data are."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from lab.errors import UsageError


def lock_folder() -> Path:
    """Where locks are, for this user."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "athanor"


@contextmanager
def hold_lab(name: str, data: Path, *, real: bool) -> Iterator[None]:
    """Hold a laboratory inside the block.

    Real instruments exist once, so their lab is held once; every simulated run has a lab of its own.

    Raises:
        UsageError: Where another process holds it, or the lock cannot be written.
    """
    path = lock_folder() / (f"{name}.lock" if real else f"{name}.{os.getpid()}.lock")
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
        file.seek(0)
        file.truncate()
        json.dump({"lab": name, "pid": os.getpid(), "data": str(data.resolve())}, file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


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
