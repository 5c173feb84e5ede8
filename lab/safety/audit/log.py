"""The audit log: who did what, when and under which rules, as a chain that shows what was changed in it.

One process writes it. What makes things safer is done first and written after (`AuditLog.try_write`); what starts
something is on the disk before it is done (`AuditLog.write`), or is not done.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from lab.safety.audit.chain import START, AuditError, heads_path, intact, plain, sealed, write_head

__all__ = ["TORN", "AuditError", "AuditLog"]

TORN = "torn line moved aside"
"""Action of the record that notes what a crash left half written."""
MAX_WAITING = 1000
"""Records that the disk did not take and that are kept for later; older ones give way."""
_FIELDS = ("role", "session", "lease", "device", "before", "after", "reason")
_BLOCK = 65536


class AuditLog:
    """Writes one audit file; may be used from several threads and from signal handlers."""

    def __init__(
        self,
        path: Path,
        *,
        version: str,
        rules: str,
        now: Callable[[], float] = time.time,
        patient: bool = False,
    ) -> None:
        """Open the file, or begin it, and hold it against a second writer.

        Args:
            path: The file; its heads file stands beside it.
            version: Version of the software.
            rules: SHA-256 of the interlock file.
            now: POSIX seconds.
            patient: Where the disk cannot be written now, go on without: each record tries again, and `write`
                refuses. For a process that must run whatever the disk does.

        Raises:
            AuditError: Where another process writes it or its last line was changed; where the disk cannot be
                written unless `patient`.
        """
        self.path = path
        self.rules = rules
        self._version = version
        self._now = now
        # Re-entrant, because a signal handler may write while this thread is writing.
        self._lock = threading.RLock()
        self._writing = False
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING)
        self._fd: int | None = None
        self._number, self._head, self._size, self._headed = 0, START, 0, ""
        self._ragged = False
        """Whether part of a line that was refused still stands at the end."""
        try:
            self._open()
        except OSError as error:
            if not patient:
                raise self._refusal(error) from error

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the newest record: what to keep elsewhere."""
        return self._number, self._head

    def write(
        self,
        action: str,
        *,
        who: str,
        role: str | None = None,
        session: str | None = None,
        lease: str | None = None,
        device: str | None = None,
        before: object = None,
        after: object = None,
        reason: str | None = None,
        durable: bool = True,
        **more: object,
    ) -> None:
        """Append one record; with `durable` it is on the disk when this returns.

        Called from a signal handler that interrupted a write, the record follows that one.

        Raises:
            AuditError: Where it could not be written: then nothing of it stays, and what it was to allow must
                not happen.
        """
        named = (role, session, lease, device, before, after, reason)
        self._write(self._record(action, who, dict(zip(_FIELDS, named, strict=True)), more), durable=durable)

    def try_write(self, action: str, *, who: str, durable: bool = False, **fields: object) -> str | None:
        """Append a record of what has happened already, such as a stop; never raises.

        Takes the same fields as `write`.

        Returns:
            Why it was not written now, else None. It is kept, and written before the next one that can be.
        """
        more = {name: value for name, value in fields.items() if name not in _FIELDS}
        record = self._record(action, who, fields, more)
        try:
            self._write(record, durable=durable)
        except AuditError as error:
            self._waiting.append(record)
            return str(error)
        return None

    def close(self) -> None:
        """Bring everything to the disk, as far as it takes it, and let others write."""
        with self._lock:
            self._flush()
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _record(
        self, action: str, who: str, fields: Mapping[str, object], more: Mapping[str, object]
    ) -> dict[str, Any]:
        record: dict[str, Any] = {name: plain(fields.get(name)) for name in _FIELDS}
        record |= {"action": plain(action), "who": plain(who), "more": plain(more)}
        stamp = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="microseconds")
        return {**record, "utc": stamp, "version": self._version, "rules": self.rules}

    def _write(self, record: dict[str, Any], *, durable: bool) -> None:
        with self._lock:
            if self._writing:
                # A signal came in the middle of a record: that one is finished first.
                self._waiting.append(record)
                return
            self._flush()
            try:
                self._append(record, durable=durable)
            except OSError as error:
                raise self._refusal(error) from error
            self._flush()

    def _flush(self) -> None:
        """Write what waits, as far as the disk takes it."""
        while self._waiting:
            record = self._waiting.popleft()
            try:
                self._append(record, durable=False)
            except (OSError, AuditError):
                self._waiting.appendleft(record)
                return

    def _append(self, record: dict[str, Any], *, durable: bool) -> None:
        outer, self._writing = self._writing, True
        try:
            fd = self._open() if self._fd is None else self._fd
            if os.fstat(fd).st_nlink == 0:
                raise FileNotFoundError(2, "the file was removed while it was written")
            line, digest = sealed({**record, "n": self._number + 1, "prev": self._head})
            self._put(fd, line, durable=durable)
            self._number, self._head, self._size = self._number + 1, digest, self._size + len(line)
            if record["utc"][:10] != self._headed:
                self._note_head(record["utc"])
        finally:
            self._writing = outer

    def _put(self, fd: int, line: bytes, *, durable: bool) -> None:
        """Write a whole line, or nothing."""
        if self._ragged:
            os.ftruncate(fd, self._size)
        self._ragged = True
        try:
            written = 0
            while written < len(line):
                written += os.write(fd, line[written:])
            if durable:
                os.fdatasync(fd)
        except OSError:
            os.ftruncate(fd, self._size)
            self._ragged = False
            raise
        self._ragged = False

    def _note_head(self, utc: str) -> None:
        """Leave the day's head; where the disk does not take it, the next record tries again."""
        try:
            write_head(self.path, utc, self._number, self._head)
        except OSError:
            return
        self._headed = utc[:10]

    def _open(self) -> int:
        """Take the file, mend its end and learn where the chain stands."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _hold(fd, self.path)
            self._number, self._head, torn = _end(fd, self.path)
            self._size = os.fstat(fd).st_size - len(torn)
            self._headed = _last_day(heads_path(self.path))
            aside = self.path.with_name(f"{self.path.name}.torn-{self._number + 1}")
            if torn:
                _keep(torn, aside)
                os.ftruncate(fd, self._size)
        except (OSError, AuditError):
            os.close(fd)
            raise
        self._fd = fd
        # Also where a crash came between moving the bytes aside and noting it.
        if aside.exists():
            kept = aside.read_bytes()
            noted = {"file": aside.name, "bytes": len(kept), "sha256": hashlib.sha256(kept).hexdigest()}
            self._note_torn(fd, noted)
        return fd

    def _note_torn(self, fd: int, noted: Mapping[str, object]) -> None:
        try:
            self._append(self._record(TORN, "auto", {}, noted), durable=True)
        except OSError:
            # Not open, so that the next attempt to open it notes this first.
            os.close(fd)
            self._fd = None
            raise

    def _refusal(self, error: OSError) -> AuditError:
        return AuditError(
            f"{self.path}: audit record {self._number + 1} was not written ({error.strerror}): "
            "make room or make the folder writable; stopping works without it, starting does not"
        )


def _hold(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AuditError(
            f"{path}: another process writes this audit log, and it has one writer: "
            "is the supervisor of this lab running already?"
        ) from None


def _end(fd: int, path: Path) -> tuple[int, str, bytes]:
    """Number and hash of the last whole record, and what stands torn behind it."""
    at = os.fstat(fd).st_size
    tail = b""
    # The last whole line stands between two newlines, or begins the file.
    while at > 0 and tail.count(b"\n") < 2:
        block = min(at, _BLOCK)
        at -= block
        tail = os.pread(fd, block, at) + tail
    whole, newline, torn = tail.rpartition(b"\n")
    if not newline:
        return 0, START, torn
    record = intact(whole.rpartition(b"\n")[2])
    if record is None:
        raise AuditError(
            f"{path}: its last line is no audit record or was changed, and the chain cannot go on from it: "
            "look at it with `athanor audit verify`, then move the file away and start again"
        )
    return record["n"], record["hash"], torn


def _keep(torn: bytes, aside: Path) -> None:
    """Put torn bytes into a file of their own, once."""
    with aside.open("ab+") as file:
        file.seek(0)
        if not file.read().endswith(torn):
            file.write(torn)
            file.flush()
            os.fsync(file.fileno())


def _last_day(heads: Path) -> str:
    try:
        lines = heads.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        # Then the next record leaves one, or tries again.
        return ""
    return lines[-1][:10] if lines else ""
