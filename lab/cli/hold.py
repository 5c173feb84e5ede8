"""``athanor hold`` and ``athanor resume``: recipes wait before their next step, and go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.errors import sentences

if TYPE_CHECKING:
    from lab.console.client import LabClient

CAMPAIGN = "campaign"


def hold(
    what: str = CAMPAIGN,
    *,
    reason: str = "",
    data: Path | None = None,
    as_json: bool = False,
    connect: Callable[[], LabClient] | None = None,
) -> None:
    """Have a sample, the recipes at a device, or the whole campaign wait; what is under way goes on to its end."""
    with sentences():
        told = (connect or _finding(data))().hold(what, reason)
    _tell(told, f"{what} is held: what is under way goes on to its end; `athanor resume {what}`", as_json=as_json)


def resume(
    what: str = CAMPAIGN,
    *,
    data: Path | None = None,
    as_json: bool = False,
    connect: Callable[[], LabClient] | None = None,
) -> None:
    """Have it go on, after the rules were asked again."""
    with sentences():
        told = (connect or _finding(data))().resume(what)
    _tell(told, f"{what} goes on", as_json=as_json)


def _finding(data: Path | None) -> Callable[[], LabClient]:
    def connect() -> LabClient:
        from lab.console.client import find_lab

        return find_lab(data)

    return connect


def _tell(told: dict[str, Any], said: str, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(told) if as_json else said) + "\n")
