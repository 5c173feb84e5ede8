"""``athanor audit verify``: whether the audit log is as it was written."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.errors import FAILED, sentences
from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.safety.audit.chain import Verdict

NAME = "audit.jsonl"


def verify_audit(
    paths: list[Path],
    *,
    data: Path | None,
    as_json: bool,
    heads: Path | None = None,
    write_head: bool = False,
) -> None:
    """Check audit files; exit 1 where one was altered.

    Args:
        paths: Audit files; none: those under `data`, or without it those of every lab of this user.
        data: Folder to look in.
        as_json: One JSON list in place of lines.
        heads: A heads file that was kept elsewhere, for one audit file.
        write_head: Add the present head to the heads file of each file that is as it was written.
    """
    with sentences():
        from lab.safety.audit.chain import verify

        files = paths or _found(data)
        if heads is not None and len(files) != 1:
            raise UsageError(f"--heads belongs to one audit file, and {len(files)} are checked: name the one")
        verdicts = [(path, verify(path, heads)) for path in files]
        if write_head:
            for path, verdict in verdicts:
                _write_head(path, verdict)
    if as_json:
        sys.stdout.write(json.dumps([_shape(path, verdict) for path, verdict in verdicts]) + "\n")
    else:
        for path, verdict in verdicts:
            _print(path, verdict)
    if any(verdict.faults for _, verdict in verdicts):
        raise SystemExit(FAILED)


def _found(data: Path | None) -> list[Path]:
    from lab.records.lock import lock_folder

    folder = data or lock_folder() / "run"
    files = sorted(folder.rglob(NAME))
    if not files:
        raise UsageError(f"{folder}: there is no {NAME} in it: name the audit file, or its folder with --data")
    return files


def _write_head(path: Path, verdict: Verdict) -> None:
    from lab.safety.audit.chain import AuditError, write_head

    if verdict.faults or verdict.last_utc is None:
        return
    try:
        write_head(path, verdict.last_utc, verdict.records, verdict.head)
    except OSError as error:
        raise AuditError(f"{path}: its head was not written ({error.strerror}): make room") from None


def _shape(path: Path, verdict: Verdict) -> dict[str, Any]:
    return {"file": str(path), **asdict(verdict), "ok": not verdict.faults}


def _print(path: Path, verdict: Verdict) -> None:
    if verdict.faults:
        for fault in verdict.faults:
            sys.stderr.write(f"athanor: {path}: {fault}\n")
        return
    times = f"{verdict.first_utc} to {verdict.last_utc}, " if verdict.records else ""
    sys.stdout.write(f"{path}: {verdict.records} records, {times}whole; head {verdict.head}\n")
    if verdict.torn:
        sys.stdout.write(f"{path}: its last line is half written: the next start moves it aside and notes it\n")
