"""A small JSON file that one user of the computer may read, changed by one process at a time and never half."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.errors import LabError


class PrivateFileError(LabError):
    """A file that cannot be used, or that others may read."""


class PrivateFile:
    """One JSON object on the disk, mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._data: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """What the file says now, empty where there is none; not to be changed.

        Raises:
            PrivateFileError: Where it cannot be read, is no JSON object, or others may read it.
        """
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                mark = (status.st_mtime_ns, status.st_ino, status.st_size)
                if mark != self._seen:
                    check_private(self.path, status)
                    self._data, self._seen = self._parsed(file.read()), mark
        except FileNotFoundError:
            self._data, self._seen = {}, None
        except OSError as error:
            raise PrivateFileError(f"{self.path}: cannot be read ({error.strerror}): look at its owner") from None
        return self._data

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Give the contents to be changed; they are on the disk after the block, all of them or none.

        Raises:
            PrivateFileError: Where that fails: then the file is as it was.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # A copy: what a failed block has changed is nowhere.
                data = json.loads(json.dumps(self.read()))
                yield data
                self._replace(data)
        except OSError as error:
            raise PrivateFileError(
                f"{self.path}: was not written ({error.strerror}): make room or make the folder writable"
            ) from None

    def _replace(self, data: dict[str, Any]) -> None:
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def _parsed(self, text: bytes) -> dict[str, Any]:
        try:
            data = json.loads(text)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise PrivateFileError(f"{self.path}: is no JSON object: it was damaged, restore it from a copy")
        return data


def check_private(path: Path, status: os.stat_result) -> None:
    """Refuse a file that others may read or that somebody else owns.

    Raises:
        PrivateFileError: With what to do.
    """
    if status.st_uid not in {os.geteuid(), 0}:
        raise PrivateFileError(f"{path}: belongs to user {status.st_uid}, who could read and change it: own it")
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise PrivateFileError(f"{path}: has mode {mode:04o}, and a file with secrets has 0600: chmod 600 {path}")
