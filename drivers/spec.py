"""What every driver says of itself: how it is made, what it must be told, and what kind of instrument it is for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from drivers.address import FolderAddress, parse_address
from drivers.bus import Bus
from drivers.clock import Clock
from drivers.errors import BadAddressError, UnknownDriverError
from drivers.gate import Gate
from drivers.kinds import Kind
from drivers.links import (
    FramesLink,
    LineLink,
    ModbusLink,
    QueryLink,
    open_frames,
    open_line,
    open_modbus,
    open_query,
)
from drivers.links.line import ACT_S
from drivers.transcript import Transcript

if TYPE_CHECKING:
    from drivers.instrument import Instrument

TIMEOUT_S = 1.0

T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """Something that a driver may be told."""

    about: str
    """What it is, and in brackets what it is where nobody says; for people."""
    unit: str | None = None
    """The unit that the driver takes it in; None for what has none."""
    required: bool = False


LINK_OPTIONS: Mapping[str, Option] = {
    "timeout": Option("until an answer is given up (1 s, of an Aeris 5 s)", "s"),
    "act_timeout": Option("until the reply to a line that acts is given up (10 s)", "s"),
    "baud": Option("bits per second of a serial line (9600)"),
    "parity": Option("N, E or O (N)"),
    "stop_bits": Option("1 or 2 (1)"),
    "quiet": Option("how late a reply may be: a line is read off for so long after a failure (0.2 s, RTU 0.5 s)", "s"),
}
"""What every driver may be told about its wire."""


@dataclass(frozen=True)
class DriverSpec:
    """What a driver must and may be told."""

    kind: Kind
    device: type[Instrument]
    """What it makes; its verbs and readings can be looked at without an instrument."""
    build: Callable[[Parts], Instrument]
    simulator: str | None = None
    """The model that answers for it in the simulator, where that is called otherwise."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Limit -> its unit. None of them has a default."""
    limited: Mapping[str, str] = field(default_factory=dict)
    """Verb -> the limit that its value must not exceed: the gate holds it too."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Beside `LINK_OPTIONS`; all that `build` takes."""

    @property
    def takes(self) -> Mapping[str, Option]:
        """Every option."""
        return {**LINK_OPTIONS, **self.options}

    @property
    def asks(self) -> tuple[str, ...]:
        """The names under which its verbs are asked for at the gate."""
        device = self.device
        acting = [verb for verb in device.VERBS if verb not in device.LOOKS]
        return tuple(name for verb in acting for name in device.ASKED_AS.get(verb, (verb,)))

    @property
    def reads(self) -> Mapping[str, str]:
        """What rules may ask of it -> unit, empty for numbers without one."""
        return {
            channel: getattr(self.device, signal).kwargs.get("units", "")
            for channel, signal in self.device.READS.items()
        }


@dataclass(frozen=True)
class Parts:
    """What a device is made from. Numbers are in the units of the driver's limits and options."""

    name: str
    address: str
    options: Mapping[str, Any]
    gate: Gate
    clock: Clock
    transcript: Transcript
    bus: Bus

    @property
    def base(self) -> dict[str, Any]:
        """The arguments that every `Instrument` takes."""
        return {"name": self.name, "gate": self.gate, "clock": self.clock, "bus": self.bus}

    @property
    def limits(self) -> Mapping[str, float]:
        """Limit -> value."""
        return {name: float(value) for name, value in self.options.get("limits", {}).items()}

    def option(self, name: str, default: Any = None) -> Any:
        """Give an option, or `default` where nobody said."""
        value = self.options.get(name)
        return default if value is None else value

    def folder(self, option: str) -> Path:
        """Give the folder that an option names.

        Raises:
            BadAddressError: Where it is written otherwise than ``dir:PATH``.
        """
        where = parse_address(str(self.options[option]))
        if not isinstance(where, FolderAddress):
            raise BadAddressError(f"{self.name}: {option} is {self.options[option]!r}, write dir:PATH")
        return where.path

    def line(self, *, timeout_s: float = TIMEOUT_S, **how: Any) -> LineLink:
        """Open the link for lines; `how` is as for `drivers.links.open_line`, and gives way to the lab file."""
        act_timeout_s = self._positive("act_timeout", how.pop("act_timeout_s", ACT_S))
        told = {**self._wire(timeout_s, how), "act_timeout_s": act_timeout_s}
        return open_line(self.name, self.address, self.transcript, self.bus, **told)

    def frames(self, *, timeout_s: float = TIMEOUT_S, **how: Any) -> FramesLink:
        """Open the link for frames; `how` is as for `drivers.links.open_frames`, and gives way to the lab file."""
        return open_frames(self.name, self.address, self.transcript, self.bus, **self._wire(timeout_s, how))

    def modbus(self, *, timeout_s: float = TIMEOUT_S, **how: Any) -> ModbusLink:
        """Open the Modbus link; `how` is as for `drivers.links.open_modbus`, and gives way to the lab file."""
        return open_modbus(self.name, self.address, self.transcript, self.bus, **self._wire(timeout_s, how))

    def query(self, *, timeout_s: float = TIMEOUT_S) -> QueryLink:
        """Open the link for one connection a question."""
        timeout_s = self._positive("timeout", timeout_s)
        return open_query(self.name, self.address, self.transcript, timeout_s=timeout_s, bus=self.bus)

    def _wire(self, timeout_s: float, how: Mapping[str, Any]) -> dict[str, Any]:
        """What the lab file says of the wire, over what the driver says in `how`."""
        told = {
            "baudrate": int(self._positive("baud", how.get("baudrate", 9600))),
            "parity": self._one_of("parity", how.get("parity", "N"), ("N", "E", "O")),
            "stop_bits": self._one_of("stop_bits", how.get("stop_bits", 1), (1, 2)),
        }
        if self.option("quiet") is not None:
            told["quiet_s"] = self._positive("quiet", 0.0)
        return {**how, **told, "timeout_s": self._positive("timeout", timeout_s)}

    def _positive(self, option: str, default: float) -> float:
        value = self.option(option, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
            raise UnknownDriverError(f"{self.name}: {option} is {value!r}, write a number above 0")
        return value

    def _one_of(self, option: str, default: T, known: tuple[T, ...]) -> T:
        value: T = self.option(option, default)
        if isinstance(value, bool) or value not in known:
            choice = ", ".join(map(str, known))
            raise UnknownDriverError(f"{self.name}: {option} is {value!r}, write one of {choice}")
        return value
