"""What the lab service knows and rules may ask: readings of instruments, where the arm is, what is in a place.

    furnace-1.reading | .setpoint | .output       of a furnace controller: degC, degC, %
    furnace-1.comm_ok                             whether the instrument answers
    mover-1.inside.furnace-1                      whether the arm is at work there
    furnace-1.contents.oxidiser | .organic | .dry also of mill-1, mills and shakers (`lab.safety.commands.contents`)

A value is given as it can be believed: with the age of the instrument's last answer for what was read, and as
unknown where nobody answers. What the lab itself knows has no age.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from drivers.parts.reach import UNKNOWN
from lab.safety.commands.contents import ASKED, Contents
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks, Signal
from protocols.quantities import QuantityError, parse_quantity

FRESH_S = 150.0
"""Lab seconds after which nobody knows any more whether a controller runs its programme: two looks and a half."""

Read = Callable[[], tuple[Value, float]]
"""Gives a value and its age in lab seconds."""


class LabSignals:
    """The lab service's signals of one interlock file."""

    def __init__(
        self,
        interlocks: Interlocks,
        devices: Mapping[str, Any],
        contents: Contents,
        watched: Mapping[str, Collection[str]],
    ) -> None:
        """Prepare; nothing is read.

        Args:
            interlocks: Whose signals; those that the supervisor reads itself are left to it.
            devices: Every device of the lab.
            contents: What is in places.
            watched: Safety module to the furnaces behind its contactor.
        """
        self._devices, self._contents, self._watched = devices, contents, watched
        self._outputs = interlocks.outputs
        lab = [signal for signal in interlocks.signals.values() if not signal.own]
        self._signals = [(signal, self._reader(signal)) for signal in lab]

    def values(self) -> dict[str, Value]:
        """Every signal of the lab service as it can be believed now; None is unknown."""
        found = {}
        for signal, read in self._signals:
            value, age_s = read()
            found[signal.name] = signal.value(value, age_s)
        return found

    def running(self) -> frozenset[str]:
        """Contactors whose furnace runs a programme, as it was seen last."""
        return frozenset(
            name
            for name, output in self._outputs.items()
            if any(self._runs(furnace) for furnace in self._watched.get(output.device, ()))
        )

    def live(self, device: str) -> dict[str, Value]:
        """What a device was last seen at, as far as rules may ask for it."""
        found = self._devices.get(device)
        reads: Mapping[str, str] = getattr(found, "READS", {})
        return {channel: _number(getattr(found, name).get()) for channel, name in reads.items()}

    def _runs(self, furnace: str) -> bool:
        device = self._devices.get(furnace)
        status = getattr(device, "program_status", None)
        return status is not None and status.get() == "run" and device.age_s.get() <= FRESH_S  # type: ignore[union-attr]

    # -- one signal each

    def _reader(self, signal: Signal) -> Read:
        channel, _, rest = signal.channel.partition(".")
        if channel == "contents" and rest in ASKED:
            return lambda: (self._contents.of(signal.device)[rest], 0.0)
        device = self._devices.get(signal.device)
        if device is None:
            return _unknown
        if channel == "comm_ok" and not rest:
            return lambda: (bool(device.comm_ok.get()), 0.0)
        if channel == "inside" and rest and hasattr(device, "inside"):
            return lambda: (_is_inside(device, rest), 0.0)
        return self._instrument(signal, device)

    def _instrument(self, signal: Signal, device: Any) -> Read:
        name = getattr(device, "READS", {}).get(signal.channel)
        if name is None:
            return _unknown
        scale = _scale(getattr(device, name).units, signal.unit)
        if scale is None:
            return _unknown
        offset, factor = scale

        def read() -> tuple[Value, float]:
            value = _number(getattr(device, name).get())
            return (None if value is None else offset + factor * value), device.age_s.get()

        return read


def _unknown() -> tuple[Value, float]:
    return None, math.inf


def _is_inside(mover: Any, furnace: str) -> bool | None:
    """Whether the arm is at work in a furnace; None where nobody knows where it stands."""
    places = str(mover.inside.get()).split()
    return None if UNKNOWN in places or not mover.comm_ok.get() else furnace in places


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, float | int) and math.isfinite(value) else None


def _scale(unit: str, wanted: str | None) -> tuple[float, float] | None:
    """Offset and factor from a driver's unit to that of the interlock file; None where there are none."""
    if not unit or wanted is None:
        return None
    if unit == wanted:
        return 0.0, 1.0
    try:
        zero, one = (parse_quantity(f"{number} {unit}", wanted) for number in (0, 1))
    except QuantityError:
        return None
    return zero, one - zero
