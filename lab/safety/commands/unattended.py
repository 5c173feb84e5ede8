"""What becomes of a device that nobody answers for any more: its declared state, at once or after a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.clock import Timer
from drivers.gate import DriverError, acting_as
from lab.errors import LabError
from lab.safety.commands.gateway import SAFER
from lab.safety.commands.hands import Hands


@dataclass(frozen=True)
class OnLeaseLoss:
    """What a device does when the person who drives it is gone."""

    hold_for_s: float = 0.0
    """Lab seconds for which it stays as it is before it goes to its safe state."""


class Unattended:
    """Devices that are on their way to their declared state; may be used from several threads."""

    def __init__(
        self, hands: Hands, on_lease_loss: Mapping[str, OnLeaseLoss], alarm: Callable[[str, str], None]
    ) -> None:
        """Make it, with every device attended.

        Args:
            hands: The devices.
            on_lease_loss: What each does; a device that is not named is made safe at once.
            alarm: Told of a device that could not be made safe: its name, and a sentence.
        """
        self._hands, self._declared, self._alarm = hands, on_lease_loss, alarm
        self._lock = threading.Lock()
        self._going: dict[str, Timer] = {}

    def leave(self, device: str, holder: str) -> str:
        """Take a device that `holder` left to its declared state; says when."""
        hold_for_s = self._declared.get(device, OnLeaseLoss()).hold_for_s
        self.attend(device)
        if hold_for_s <= 0:
            self._make_safe(device, holder)
            return f"{device} goes to its safe state"
        clock = self._hands.clock
        with self._lock:
            self._going[device] = clock.call_at(
                clock.now() + hold_for_s, lambda: self._make_safe(device, holder), f"leaving {device}"
            )
        return f"{device} stays as it is for {hold_for_s / 60:g} min, and goes to its safe state unless it is taken"

    def attend(self, device: str) -> None:
        """Somebody answers for a device again."""
        with self._lock:
            timer = self._going.pop(device, None)
        if timer is not None:
            timer.cancel()

    def is_leaving(self, device: str) -> bool:
        """Whether a device stays as it is for now, and goes to its safe state unless somebody answers for it."""
        with self._lock:
            return device in self._going

    def _make_safe(self, device: str, holder: str) -> None:
        """Stop a device, and open a contactor that is its alone."""
        limits, devices = self._hands.gateway.limits, self._hands.devices
        alone = [name for name in self._hands.modules(device) if limits[name].watched == (device,)]
        for name in (device, *alone):
            verb = next((verb for verb in getattr(devices[name], "VERBS", ()) if verb in SAFER), None)
            if verb is not None:
                self._stop(name, verb, holder)

    def _stop(self, device: str, verb: str, holder: str) -> None:
        def told(ended: Any) -> None:
            if ended.exception() is not None:
                self._alarm(device, f"{device} was not made safe after {holder} left it: {ended.exception()}")

        try:
            with acting_as(f"lease of {holder}, which ended"):
                status = self._hands.devices[device].set(verb)
        except (DriverError, LabError) as error:
            self._alarm(device, f"{device} was not made safe after {holder} left it: {error}")
        else:
            status.add_callback(told)
