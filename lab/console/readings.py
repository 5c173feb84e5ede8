"""What the devices of a laboratory were last seen at, as JSON; asking costs no wire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

State = dict[str, Any]


class Device(Protocol):
    """What a device is to whoever only looks: ophyd's cached readings."""

    name: str

    def read(self) -> Mapping[str, Mapping[str, Any]]:
        """Signal to value and lab time."""

    def describe(self) -> Mapping[str, Mapping[str, Any]]:
        """Signal to unit."""


class Readings:
    """Reads all devices; their units are asked for once."""

    def __init__(self, devices: Mapping[str, Device]) -> None:
        self._devices = devices
        self._units: dict[str, dict[str, str]] = {}

    def __call__(self) -> dict[str, State]:
        """Device to signal to ``{"value", "unit", "at"}``; a value that is no number is null, which is unknown."""
        return {name: self._read(name, device) for name, device in self._devices.items()}

    def _read(self, name: str, device: Device) -> State:
        units = self._units.get(name) or self._units_of(name, device)
        read = device.read()
        return {
            signal.removeprefix(f"{name}_"): {
                "value": plain(reading["value"]),
                "unit": units.get(signal, ""),
                "at": plain(reading["timestamp"]),
            }
            for signal, reading in read.items()
            # An age changes all the time by itself; whoever wants one has `at`.
            if signal != f"{name}_age_s"
        }

    def _units_of(self, name: str, device: Device) -> dict[str, str]:
        described = device.describe()
        self._units[name] = {signal: str(entry.get("units") or "") for signal, entry in described.items()}
        return self._units[name]


def with_ages(state: State) -> State:
    """The same state with the age of each reading in lab seconds, for whoever looks once."""
    aged = {
        name: {**device, "readings": {signal: _aged(reading, state["t"]) for signal, reading in readings.items()}}
        for name, device in state["devices"].items()
        for readings in (device["readings"],)
    }
    return {**state, "devices": aged}


def _aged(reading: State, now_s: float) -> State:
    at_s = reading["at"]
    return {**reading, "age_s": None if at_s is None else round(max(0.0, now_s - at_s), 3)}


def plain(value: Any) -> Any:
    """The value in what JSON can say: what is no number is null, and so unknown.

    >>> plain({"a": float("nan"), "b": (1, 2.5), "c": {"x"}})
    {'a': None, 'b': [1, 2.5], 'c': ['x']}
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    try:
        number = float(value)  # also numpy's numbers
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else None
