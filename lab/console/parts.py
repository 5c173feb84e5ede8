"""What the lab service needs of the laboratory behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.console.readings import Device

if TYPE_CHECKING:
    from drivers.clock import Clock
    from lab.safety.audit.log import AuditLog
    from lab.safety.commands.holds import Holds
    from lab.safety.commands.leases import LeaseBook
    from lab.safety.commands.manual import ManualControl
    from lab.safety.judging.watch import Watch


def _no_recipes() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Parts:
    """One running laboratory, as the lab service sees it."""

    lab: str
    world: str
    """``real`` or ``simulated``."""
    clock: Clock
    devices: Mapping[str, Device]
    watch: Watch
    leases: LeaseBook
    manual: ManualControl
    holds: Holds
    audit: AuditLog
    recipes: Callable[[], Mapping[str, Any]] = _no_recipes
    """Sample to how its recipe stands, as JSON; must not wait."""
