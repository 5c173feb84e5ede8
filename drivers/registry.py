"""Which driver stands behind which name in a lab file, and what it must be told."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drivers.address import FolderAddress, parse_address
from drivers.bus import Bus
from drivers.clock import Clock
from drivers.errors import UnknownDriverError
from drivers.gate import Gate
from drivers.links import open_line, open_modbus, open_query
from drivers.transcript import Transcript

if TYPE_CHECKING:
    from drivers.instrument import Instrument

Options = Mapping[str, Any]


@dataclass(frozen=True)
class DriverSpec:
    """What a driver must and may be told."""

    build: Callable[[_Parts], Instrument]
    limits: Mapping[str, str] = field(default_factory=dict)
    """Required limit -> its unit."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Option -> what it is; `limits` and these are all that `build` takes."""
    required: frozenset[str] = frozenset()
    """Options that have no default."""


@dataclass(frozen=True)
class _Parts:
    name: str
    address: str
    options: Options
    gate: Gate
    clock: Clock
    transcript: Transcript
    bus: Bus

    def timeout_s(self, default_s: float) -> float:
        return float(self.options.get("timeout", default_s))

    def limits(self) -> Mapping[str, float]:
        return {name: float(value) for name, value in self.options.get("limits", {}).items()}


def build(
    name: str,
    driver: str,
    address: str,
    options: Options,
    gate: Gate,
    clock: Clock,
    transcript: Transcript,
    bus: Bus,
) -> Instrument:
    """Make a device and have its bus poll it from now on.

    Args:
        name: As in the lab file.
        driver: A key of `DRIVERS`.
        address: An endpoint, as `drivers.address` reads it.
        options: ``limits`` with numbers in the units that `DriverSpec.limits` says, and what
            `DriverSpec.options` names; times in seconds.
        gate: Asked before anything is made to happen.
        clock: Lab time.
        transcript: Where the bytes are noted.
        bus: Of `drivers.address.port_of(address)`.

    Raises:
        UnknownDriverError: For a driver, limit or option that there is not, or that is missing.
        BadAddressError: For an address of the wrong kind.
    """
    spec = spec_of(name, driver)
    _check_limits(name, driver, spec, options.get("limits", {}))
    _check_options(name, driver, spec, options)
    device = spec.build(_Parts(name, address, options, gate, clock, transcript, bus))
    bus.add(device)
    return device


def spec_of(name: str, driver: str) -> DriverSpec:
    """Give what a driver must and may be told.

    Raises:
        UnknownDriverError: Where there is no such driver.
    """
    if driver not in DRIVERS:
        near = difflib.get_close_matches(driver, DRIVERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownDriverError(f"{name}: there is no driver {driver!r} (there are {', '.join(DRIVERS)}){hint}")
    return DRIVERS[driver]


def _check_limits(name: str, driver: str, spec: DriverSpec, limits: Mapping[str, float]) -> None:
    for limit, unit in spec.limits.items():
        if limit not in limits:
            raise UnknownDriverError(
                f"{name}: driver {driver} needs a limit for {limit} in {unit}, under limits in the lab file"
            )
    for limit in limits:
        if limit not in spec.limits:
            known = ", ".join(spec.limits) or "none"
            raise UnknownDriverError(f"{name}: driver {driver} has no limit {limit!r} (it has {known})")


def _check_options(name: str, driver: str, spec: DriverSpec, options: Options) -> None:
    for option in options:
        if option != "limits" and option not in spec.options:
            known = ", ".join(spec.options) or "none"
            raise UnknownDriverError(f"{name}: driver {driver} has no option {option!r} (it has {known})")
    for option in sorted(spec.required - options.keys()):
        raise UnknownDriverError(f"{name}: driver {driver} needs {option}: {spec.options[option]}")


# ---------------------------------------------------------------- builders, each importing its device late


def _eurotherm(parts: _Parts) -> Instrument:
    from drivers.codecs.eurotherm import INSTRUMENT_MODE
    from drivers.eurotherm import Eurotherm3216P

    link = open_modbus(
        parts.name,
        parts.address,
        parts.transcript,
        parts.bus,
        baudrate=int(parts.options.get("baud", 9600)),
        timeout_s=parts.timeout_s(1.0),
        never_write=frozenset({INSTRUMENT_MODE}),
    )
    return Eurotherm3216P(
        parts.name,
        gate=parts.gate,
        clock=parts.clock,
        bus=parts.bus,
        link=link,
        limits=parts.limits(),
        instrument_type=int(parts.options.get("instrument_type", 0xF3)),
    )


def _quantos(parts: _Parts) -> Instrument:
    from drivers.quantos import QuantosDoser

    link = open_line(
        parts.name,
        parts.address,
        parts.transcript,
        parts.bus,
        baudrate=int(parts.options.get("baud", 9600)),
        timeout_s=parts.timeout_s(1.0),
        software_flow=True,
    )
    return QuantosDoser(parts.name, gate=parts.gate, clock=parts.clock, bus=parts.bus, link=link, limits=parts.limits())


def _aeris(parts: _Parts) -> Instrument:
    from drivers.aeris import Aeris

    folder = parse_address(str(parts.options["results"]))
    if not isinstance(folder, FolderAddress):
        raise UnknownDriverError(f"{parts.name}: results is {parts.options['results']!r}, write dir:PATH")
    return Aeris(
        parts.name,
        gate=parts.gate,
        clock=parts.clock,
        bus=parts.bus,
        link=open_query(parts.name, parts.address, parts.transcript, timeout_s=parts.timeout_s(5.0)),
        transcript=parts.transcript,
        results=folder.path,
        programs_s=parts.options.get("programs", {}),
    )


def _text_mover(parts: _Parts) -> Instrument:
    from drivers.text_mover import TextMover

    link = open_line(
        parts.name, parts.address, parts.transcript, parts.bus, terminator=b"\n", timeout_s=parts.timeout_s(1.0)
    )
    return TextMover(parts.name, gate=parts.gate, clock=parts.clock, bus=parts.bus, link=link)


def _safety_io(parts: _Parts) -> Instrument:
    from drivers.safety_io import SafetyIO
    from drivers.safety_module import SafetyModule

    link = open_modbus(parts.name, parts.address, parts.transcript, parts.bus, timeout_s=parts.timeout_s(1.0))
    return SafetyIO(
        parts.name,
        gate=parts.gate,
        clock=parts.clock,
        bus=parts.bus,
        module=SafetyModule(link),
        poll_s=float(parts.options.get("poll", 1.0)),
    )


_TIMEOUT = {"timeout": "wall seconds until an answer is given up (1, for aeris 5)"}
_BAUD = {"baud": "bits per second (9600)"}

DRIVERS: Mapping[str, DriverSpec] = {
    "eurotherm-3216p": DriverSpec(
        _eurotherm,
        limits={"setpoint": "degC", "ramp": "degC/min"},
        options={**_BAUD, **_TIMEOUT, "instrument_type": "what register 122 holds (0xF3)"},
    ),
    "quantos": DriverSpec(_quantos, limits={"mass": "mg"}, options={**_BAUD, **_TIMEOUT}),
    "aeris": DriverSpec(
        _aeris,
        options={
            **_TIMEOUT,
            "results": "dir:PATH, the folder that result files appear in",
            "programs": "programme name -> its seconds, for names that do not end in -8min or the like",
        },
        required=frozenset({"results"}),
    ),
    "text-mover": DriverSpec(_text_mover, options=_TIMEOUT),
    "safety-io": DriverSpec(_safety_io, options={**_TIMEOUT, "poll": "seconds between looks (1)"}),
}
