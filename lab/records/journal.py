"""The append-only journal: one JSON object a line, each with its number, lab time, world and actor.

What is in the journal has happened; what is not there did not. A last line that was torn by a crash is
recognised and left out when reading, and cut off before appending goes on.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from drivers.clock import Clock
from lab.errors import LabError

World = Literal["real", "simulated"]


_FIELDS: dict[str, type | tuple[type, ...]] = {"n": int, "t": (int, float), "world": str, "kind": str}
"""What every entry has."""


class JournalError(LabError):
    """A journal that cannot be continued or read."""


class Journal:
    """Writes one laboratory's journal; may be used from several threads."""

    def __init__(self, path: Path, clock: Clock, world: World) -> None:
        self.path = path
        self.world: World = world
        self._clock = clock
        # Re-entrant: a signal handler may write while this thread is writing.
        self._lock = threading.RLock()
        self._number = _mend(path)
        self._file = path.open("ab")

    def write(self, kind: str, /, *, durable: bool = False, **fields: object) -> dict[str, Any]:
        """Append one entry; with `durable` it is on the disk when this returns.

        Returns:
            The entry, with its number, lab time, world and actor.

        Raises:
            JournalError: Where the disk does not take it.
        """
        with self._lock:
            self._number += 1
            stamps = {"n": self._number, "t": self._clock.now(), "world": self.world, "kind": kind}
            entry: dict[str, Any] = {**stamps, **fields}
            entry.setdefault("actor", "auto")
            line = json.dumps(entry, default=_plain, separators=(",", ":")) + "\n"
            try:
                self._file.write(line.encode())
                self._file.flush()
                if durable:
                    os.fdatasync(self._file.fileno())
            except OSError as error:
                raise JournalError(
                    f"{self.path}: entry {self._number} was not written ({error.strerror}): make room and start again"
                ) from error
            return entry

    def sync(self) -> None:
        """Bring everything to the disk.

        Raises:
            JournalError: Where the disk does not take it.
        """
        with self._lock:
            try:
                os.fdatasync(self._file.fileno())
            except OSError as error:
                raise JournalError(
                    f"{self.path}: entries up to {self._number} may not be on the disk ({error.strerror}): "
                    "look after the disk and start again"
                ) from error

    def close(self) -> None:
        """Bring everything to the disk and end."""
        with self._lock:
            if not self._file.closed:
                try:
                    self.sync()
                finally:
                    self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Give the entries in order, without a torn last line.

    Raises:
        JournalError: Where a line in the middle cannot be read or lacks a field, with its number.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"{path}: cannot be read ({error.strerror}): is this the data folder of a run?") from None
    for i, line in enumerate(lines[:-1], start=1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise JournalError(
                f"{path}, line {i}: is no journal entry: the file was changed or damaged, restore it from a copy"
            )
        wrong = [name for name, kind in _FIELDS.items() if not isinstance(entry.get(name), kind)]
        if wrong:
            raise JournalError(
                f"{path}, line {i}: has no readable {', '.join(wrong)}, which every entry has: "
                "the file was changed, restore it from a copy"
            )
        yield entry


def _mend(path: Path) -> int:
    """Cut off a torn last line and return the number of the last whole entry."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
    return data.count(b"\n", 0, whole)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
