"""What the lab service may ask the safety layer, wherever that runs: in this process or in its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lab.safety.interlocks.expressions import Value


class Watch(Protocol):
    """The safety layer as the gateway, the console and the shell see it."""

    def tripped(self) -> tuple[str, ...]:
        """Why nothing hazardous may start, first cause first; also a permit that is missing or too old."""

    def values(self) -> Mapping[str, Value]:
        """Every signal, output and rise as it can be believed now; None is unknown."""

    def held(self) -> frozenset[str]:
        """Devices whose recipes a hold rule makes wait."""

    def bypassed(self) -> frozenset[str]:
        """Ids of the rules that are bypassed now."""

    def snapshot(self) -> dict[str, Any]:
        """Everything that a person is shown, as JSON."""

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Pass one request on and give its answer: ``{"ok": True, ...}`` or ``{"ok": False, "reasons": [...]}``."""
