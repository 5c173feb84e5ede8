"""``athanor device NAME out`` and ``in-service``: a lock-out, while somebody has their hands in a device."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli.errors import sentences
from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.console.client import LabClient

OUT, IN_SERVICE = "out", "in-service"


def change_service(
    name: str,
    to: str,
    *,
    reason: str = "",
    of: str | None = None,
    data: Path | None = None,
    as_json: bool = False,
    connect: Callable[[], LabClient] | None = None,
) -> None:
    """Lock a device out, or take one's lock off again.

    Args:
        name: The device.
        to: `OUT` or `IN_SERVICE`.
        reason: What is being done there; needed to lock out.
        of: Whose lock, where a safety officer takes off somebody else's.
        data: Data folder of the run.
        as_json: Whether a program reads.
        connect: Reaches the lab service.
    """
    with sentences():
        if to not in (OUT, IN_SERVICE):
            raise UsageError(f"device {name} {to}: write {OUT} or {IN_SERVICE}")
        if to == OUT and not reason.strip():
            raise UsageError(f"device {name} {OUT}: --reason is missing: others must know what is being done there")
        service = (connect or _finding(data))()
        if to == OUT:
            told = service.lock_out(name, reason)
            said = f"{name} is locked out: nothing starts there before `athanor device {name} {IN_SERVICE}`"
        else:
            told = service.remove_lock_out(name, of)
            left = "; ".join(told.get("left", ()))
            said = f"{name}: the lock is off" + (f", and it stays locked: {left}" if left else "")
        sys.stdout.write((json.dumps(told) if as_json else said) + "\n")


def _finding(data: Path | None) -> Callable[[], LabClient]:
    def connect() -> LabClient:
        from lab.console.client import find_lab

        return find_lab(data)

    return connect
