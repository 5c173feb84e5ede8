"""The form of the audit log: canonical lines, each with its hash and the hash of the line before; and its check.

    {"action", "after", "before", "device", "hash", "lease", "more", "n", "prev", "reason", "role", "rules",
     "session", "utc", "version", "who"}      one JSON object a line, keys sorted, no spaces

``hash`` is the SHA-256 of the line without it. A chain alone does not show that its end was cut off; the heads
file beside it does: the first record of each UTC day leaves its date, number and hash there. A copy of that file
kept elsewhere is what nobody with access to this disk can rewrite.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError

START = "0" * 64
"""What the first record names as the hash before it."""
_HEAD_LINE = re.compile(r"(\d{4}-\d{2}-\d{2}) (\d+) ([0-9a-f]{64})")


class AuditError(LabError):
    """A record that was not written, or a log that cannot be read or continued."""


@dataclass(frozen=True)
class Verdict:
    """What a check of an audit file found."""

    records: int
    head: str
    """Hash of the last whole record."""
    faults: tuple[str, ...]
    """What was altered, removed, reordered or inserted, a sentence each with its line."""
    first_utc: str | None = None
    last_utc: str | None = None
    torn: bool = False
    """Whether the last line is half written: a writer died just now, and the next one will move it aside."""


def sealed(record: Mapping[str, Any]) -> tuple[bytes, str]:
    """A record as its line, with the newline, and the hash in it."""
    digest = hashlib.sha256(canonical(record)).hexdigest()
    return canonical({**record, "hash": digest}) + b"\n", digest


def canonical(record: Mapping[str, Any]) -> bytes:
    """The one way in which a record is written.

    >>> canonical({"b": 1, "a": "°"}).decode()
    '{"a":"°","b":1}'
    """
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def plain(value: Any) -> Any:
    """The value in what JSON can say; what it cannot say becomes text.

    >>> plain({"t": float("nan"), "on": frozenset({"b", "a"})})
    {'t': 'nan', 'on': ['a', 'b']}
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        # Half a surrogate, as broken file names bring, has no bytes.
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return plain(str(value))


def heads_path(path: Path) -> Path:
    """The heads file of an audit file."""
    return path.with_suffix(".heads")


def write_head(path: Path, utc: str, number: int, digest: str) -> None:
    """Append one line to the heads file of an audit file: date, number, hash; all of it or nothing.

    Raises:
        OSError: Where the disk does not take it.
    """
    line = f"{utc[:10]} {number} {digest}\n".encode()
    fd = os.open(heads_path(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(fd).st_size
        if os.write(fd, line) < len(line):
            os.ftruncate(fd, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(fd)
    finally:
        os.close(fd)


def intact(line: bytes) -> dict[str, Any] | None:
    """The record of a line without its newline; None where it is no record or its hash does not fit."""
    record = _parsed(line)
    return record if record is not None and _fits(record, line) else None


def verify(path: Path, heads: Path | None = None) -> Verdict:
    """Check a whole audit file against itself and its heads.

    Args:
        path: The audit file.
        heads: Its heads file; None for the one beside it. A copy that was kept elsewhere proves more.

    Raises:
        AuditError: Where a file cannot be read.
    """
    check = _Check()
    torn = False
    for line_number, line, whole in _lines(path):
        if whole:
            check.take(line_number, line)
        torn = not whole
    faults = (*check.faults, *_against_heads(heads or heads_path(path), check))
    return Verdict(check.records, check.head, faults, check.first_utc, check.last_utc, torn)


class _Check:
    """Goes through the lines once; after a fault it goes on, so that each is told once and where it is."""

    def __init__(self) -> None:
        self.records = 0
        self.head = START
        self.faults: list[str] = []
        self.hashes = {0: START}
        """Hash of each record, by the number that it says it has."""
        self.days: dict[str, int] = {}
        """Each UTC day, with its first line."""
        self.first_utc: str | None = None
        self.last_utc: str | None = None
        self._expected = 1
        self._unknown = False
        """Whether the line before was no record, so that nobody knows which number this one should have."""

    def take(self, line_number: int, line: bytes) -> None:
        self.records += 1
        record = _parsed(line)
        if record is None:
            self.faults.append(f"line {line_number}: is no audit record")
            self._unknown = True
            return
        fault = self._fault(record, line)
        if fault is not None:
            self.faults.append(f"line {line_number}: {fault}")
        number = record["n"]
        self.hashes.setdefault(number, record["hash"])
        self._expected, self._unknown = max(self._expected, number + 1), False
        self.head = record["hash"]
        self.first_utc, self.last_utc = self.first_utc or record["utc"], record["utc"]
        self.days.setdefault(record["utc"][:10], line_number)

    def _fault(self, record: Mapping[str, Any], line: bytes) -> str | None:
        number = record["n"]
        if not _fits(record, line):
            return "was altered, its hash does not fit what it says"
        if number > self._expected and not self._unknown:
            return f"is record {number}, and {self._expected} was expected: records are missing before it"
        if number < self._expected:
            return f"is record {number}, and {self._expected} was expected: it was inserted or stands out of order"
        if record["prev"] != self.hashes.get(number - 1, record["prev"]):
            return f"does not follow from record {number - 1}: one of them was replaced"
        return None


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Number, bytes without the newline, and whether there was one."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.rstrip(b"\n"), line.endswith(b"\n")
    except OSError as error:
        raise AuditError(f"{path}: cannot be read ({error.strerror}): give the path of an audit file") from None


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kinds = {"n": int, "prev": str, "hash": str, "utc": str}
    if not isinstance(record, dict) or any(type(record.get(name)) is not kind for name, kind in kinds.items()):
        return None
    return record


def _fits(record: Mapping[str, Any], line: bytes) -> bool:
    """Whether the line is what its record makes: then its hash fits, and nothing was added around it."""
    body = {name: value for name, value in record.items() if name != "hash"}
    try:
        return sealed(body) == (line + b"\n", record["hash"])
    except ValueError:
        # NaN, which no record of ours holds.
        return False


def _against_heads(heads: Path, check: _Check) -> list[str]:
    try:
        lines = heads.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        if not check.records:
            return []
        return [f"{heads.name} is missing: whether records were cut off at the end cannot be told"]
    except OSError as error:
        raise AuditError(f"{heads}: cannot be read ({error.strerror}): give the path of a heads file") from None
    faults, seen = [], set()
    for i, line in enumerate(lines, start=1):
        match = _HEAD_LINE.fullmatch(line)
        if match is None:
            faults.append(f"{heads.name}, line {i}: is no head")
            continue
        day, number, digest = match[1], int(match[2]), match[3]
        seen.add(day)
        faults += _against_head(f"{heads.name}, line {i} ({day})", number, digest, check.hashes)
    faults += [
        f"{heads.name}: has no head of {day}, on which line {line} was written"
        for day, line in check.days.items()
        if day not in seen
    ]
    return faults


def _against_head(head: str, number: int, digest: str, hashes: Mapping[int, str]) -> list[str]:
    last = max(hashes)
    if number > last:
        return [f"{head}: names record {number}, and the file ends at {last}: records were cut off"]
    if hashes.get(number, digest) != digest:
        return [f"{head}: names another record {number} than the file has: the chain was rewritten"]
    return []
