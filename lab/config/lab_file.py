"""The lab file: which instruments there are, where, within which limits, and who works where."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from drivers.errors import UnknownDriverError
from drivers.kinds import Kind
from lab.config.addresses import Address, Wire, parse_address
from lab.config.inventory_file import InventoryFile
from lab.config.notify_file import NotifyFile
from protocols.documents import (
    Degrees,
    DocumentError,
    Fault,
    FileModel,
    Seconds,
    line_of,
    load_model,
    load_yaml,
)
from protocols.quantities import QuantityError, parse_quantity

if TYPE_CHECKING:
    from drivers.spec import DriverSpec

DEFAULT_PROGRAM = "10-80deg-8min"
"""The measuring programme that a diffractometer has where the lab file lists none."""

_REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    Kind.FURNACE: ("slots", "atmospheres"),
    Kind.DOSER: ("heads",),
    Kind.DIFFRACTOMETER: ("wavelength",),
    Kind.SAFETY: ("watchdog",),
}
"""What the laboratory must know of an instrument beside what its driver must be told."""
_FILLED_IN: Mapping[Kind, Mapping[str, str]] = {
    Kind.DIFFRACTOMETER: {
        "results": "write it beside driver and address",
        "programs": "write it beside driver and address",
    },
    Kind.SAFETY: {"poll": "safety modules are looked at with every scan"},
}
"""Options that the laboratory fills in by itself, and what to do instead of writing them."""
STATIONS: Mapping[str, Kind] = {"heat": Kind.FURNACE, "dose": Kind.DOSER, "measure": Kind.DIFFRACTOMETER}
"""Station to the kind of instrument that works there."""


class ProgramFile(FileModel):
    """A measuring programme that was stored on the diffractometer beforehand."""

    from_: Degrees = Field(alias="from")
    to: Degrees
    time: Annotated[Seconds, Field(gt=0)]


@cache
def _spec_of(driver: str) -> DriverSpec:
    # Late: a driver loads ophyd.
    from drivers.registry import spec_of

    return spec_of(driver)


def _number(written: Any, unit: str | None) -> Any:
    return written if unit is None else parse_quantity(written, unit)


def _missing(device: DeviceFile) -> Iterator[InitErrorDetails]:
    spec = device.spec
    missing = [f"limits.{name}" for name in spec.limits if name not in device.limits]
    missing += [name for name in _REQUIRED.get(spec.kind, ()) if getattr(device, name) is None]
    filled_in = _FILLED_IN.get(spec.kind, {})
    needed = [name for name, option in spec.options.items() if option.required and name not in filled_in]
    missing += [f"options.{name}" for name in needed if name not in device.options]
    if missing:
        seen = f"{missing[0]} is" if len(missing) == 1 else f"{', '.join(missing)} are"
        yield _fault((), f"{seen} missing, driver {device.driver} needs that and there is no default: add it")


def _misread(device: DeviceFile, part: Literal["limits", "options"]) -> Iterator[InitErrorDetails]:
    spec = device.spec
    units = spec.limits if part == "limits" else {name: option.unit for name, option in spec.takes.items()}
    filled_in = _FILLED_IN.get(spec.kind, {})
    for name, written in getattr(device, part).items():
        if name not in units:
            known = ", ".join(units) or "none"
            near = difflib.get_close_matches(name, units, n=1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            what = part.removesuffix("s")
            yield _fault((part, name), f"driver {device.driver} has no {what} {name!r} (it has {known}){hint}")
            continue
        if part == "options" and name in filled_in:
            yield _fault((part, name), f"the laboratory sets it by itself, leave it out: {filled_in[name]}")
            continue
        try:
            value = _number(written, units[name])
        except QuantityError as error:
            yield _fault((part, name), str(error))
            continue
        if part == "limits" and not value > 0:
            yield _fault((part, name), f"{written} was read, and a limit must be greater than 0")
        elif part == "options" and units[name] is not None and value < 0:
            yield _fault((part, name), f"{written} was read, and it cannot be negative")


def _fault(keys: tuple[str, ...], said: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("driver", "{said}", {"said": said}), loc=keys, input=None)


class OnLeaseLossFile(FileModel):
    """What a device does when the person who drives it by hand is gone."""

    hold_for: Annotated[Seconds, Field(gt=0)]
    """How long it stays as it is before it goes to its safe state."""


class DeviceFile(FileModel):
    """One instrument."""

    driver: str
    address: str
    limits: dict[str, Any] = Field(default_factory=dict)
    """The most that it may be asked for, as its driver names it; no default is ever assumed."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What else its driver may be told."""
    slots: Annotated[int, Field(gt=0)] | None = None
    atmospheres: list[str] | None = None
    watched_by: str | None = None
    heads: dict[int, str] | None = None
    """Dosing head number to the lot that it holds."""
    wavelength: str | None = None
    programs: dict[str, ProgramFile] | None = None
    results: str | None = None
    """Where a diffractometer leaves its files, ``dir:PATH``; a simulated one leaves them with the run."""
    watchdog: Annotated[Seconds, Field(gt=0)] | None = None
    baud: Annotated[int, Field(gt=0)] | None = None
    """Bits per second of a serial line; None for what its driver takes."""
    on_lease_loss: OnLeaseLossFile | Literal["safe"] = "safe"
    """What it does when the person who drives it is gone: goes to its safe state, at once or after a while."""

    @field_validator("driver")
    @classmethod
    def _driver_exists(cls, driver: str) -> str:
        try:
            _spec_of(driver)
        except UnknownDriverError as error:
            raise ValueError(str(error)) from None
        return driver

    @field_validator("wavelength", mode="before")
    @classmethod
    def _wavelength_is_known(cls, wavelength: object) -> object:
        if isinstance(wavelength, bool) or not isinstance(wavelength, str | float | int):
            return wavelength
        # Late: the room of characterization loads numpy.
        from lab.characterization.errors import PatternError
        from lab.characterization.wavelengths import radiation

        try:
            radiation(wavelength)
        except PatternError as error:
            raise ValueError(str(error)) from None
        return str(wavelength)

    @field_validator("address", "results")
    @classmethod
    def _address_has_a_form(cls, address: str | None) -> str | None:
        if address is not None:
            parse_address(address)
        return address

    @model_validator(mode="wrap")
    @classmethod
    def _fits_its_driver(cls, data: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        device = check(data)
        found = [*_missing(device), *_misread(device, "limits"), *_misread(device, "options")]
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return device

    @property
    def spec(self) -> DriverSpec:
        """What its driver says of itself."""
        return _spec_of(self.driver)

    @property
    def kind(self) -> Kind:
        """What it is for."""
        return self.spec.kind

    def limit(self, name: str) -> float | None:
        """The most that it may be asked for, in the unit that its driver says; None where it has no such limit."""
        return _number(self.limits[name], self.spec.limits[name]) if name in self.limits else None

    @property
    def told(self) -> dict[str, Any]:
        """Limits and options with numbers in the units of its driver."""
        options = {name: _number(value, self.spec.takes[name].unit) for name, value in self.options.items()}
        return {**options, "limits": {name: self.limit(name) for name in self.limits}}

    @property
    def place(self) -> Address:
        """The parsed address."""
        return parse_address(self.address)

    @property
    def hold_for_s(self) -> float:
        """For how many seconds it stays as it is when the person who drives it is gone."""
        return self.on_lease_loss.hold_for if isinstance(self.on_lease_loss, OnLeaseLossFile) else 0.0


class StationsFile(FileModel):
    """Which devices do which kind of task."""

    heat: Annotated[list[str], Field(min_length=1)]
    dose: Annotated[list[str], Field(min_length=1)]
    measure: Annotated[list[str], Field(min_length=1)]


class SimulationFile(FileModel):
    """How simulated instruments behave; real ones do not look at it."""

    seed: int = 0
    truth: str | None = None
    difficulty: Literal["easy", "hard"] = "easy"
    """This version simulates easy worlds; a run that asks for hard says so in its journal."""


class LabFile(FileModel):
    """A lab file as it stands."""

    name: str
    interlocks: str
    inventory: str
    devices: Annotated[dict[str, DeviceFile], Field(min_length=1)]
    stations: StationsFile
    simulation: SimulationFile = SimulationFile()
    notify: NotifyFile | None = None
    """Who is told of alarms."""

    @field_validator("name")
    @classmethod
    def _name_can_name_a_lock(cls, name: str) -> str:
        if not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"is {name!r}, and a lock is named after it: use letters, digits, - and _ alone")
        return name


@dataclass(frozen=True)
class LabConfig:
    """A laboratory that is consistent in itself: every name that a part uses exists."""

    file: LabFile
    path: Path
    inventory: InventoryFile

    @property
    def name(self) -> str:
        """The lab's name, which its lock carries."""
        return self.file.name

    @property
    def devices(self) -> dict[str, DeviceFile]:
        """Devices by name."""
        return self.file.devices

    @property
    def simulated(self) -> bool:
        """Whether any instrument is simulated: then everything that comes out is marked so."""
        return any(device.place.simulated for device in self.devices.values())

    @property
    def real_devices(self) -> list[str]:
        """Names of the devices whose address is not simulated."""
        return [name for name, device in self.devices.items() if not device.place.simulated]

    @property
    def furnaces(self) -> dict[str, DeviceFile]:
        """The furnaces of the station ``heat``."""
        return {name: self.devices[name] for name in self.file.stations.heat}

    @property
    def all_furnaces(self) -> dict[str, DeviceFile]:
        """The furnaces of every station and of none."""
        return {name: device for name, device in self.devices.items() if device.kind is Kind.FURNACE}

    @property
    def watched(self) -> dict[str, str]:
        """Furnace to the safety module that watches it, in whichever station."""
        return {name: device.watched_by for name, device in self.all_furnaces.items() if device.watched_by}

    def only(self, kind: Kind) -> str:
        """The name of the one device of a kind."""
        return next(name for name, device in self.devices.items() if device.kind is kind)

    def head_of(self, lot: str) -> tuple[str, int] | None:
        """The doser and head number that hold a lot, or None."""
        for name in self.file.stations.dose:
            for number, held in (self.devices[name].heads or {}).items():
                if held == lot:
                    return name, number
        return None

    def place_of(self, device: str) -> str:
        """File and line where the address of a device stands, for errors about it."""
        line = self.line_of(device)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def line_of(self, device: str) -> int | None:
        """Line where the address of a device stands."""
        return line_of(load_yaml(self.path), ("devices", device, "address"))

    @property
    def interlocks_path(self) -> Path:
        """The interlock file."""
        return self.path.parent / self.file.interlocks

    @property
    def safety_modules(self) -> dict[str, DeviceFile]:
        """The safety modules by name."""
        return {name: device for name, device in self.devices.items() if device.kind is Kind.SAFETY}


def limited_of(device: DeviceFile) -> dict[str, tuple[float, str]]:
    """The most that each verb of a device may be asked for, and its unit."""
    spec = device.spec
    found = {verb: (device.limit(name), spec.limits[name]) for verb, name in spec.limited.items()}
    return {verb: (most, unit) for verb, (most, unit) in found.items() if most is not None}


def programs_of(device: DeviceFile) -> dict[str, tuple[float, float, float]]:
    """A diffractometer's stored programmes: name to (from deg, to deg, seconds)."""
    stored = device.programs or {DEFAULT_PROGRAM: ProgramFile(**{"from": "10 deg", "to": "80 deg", "time": "8 min"})}  # type: ignore[arg-type]
    return {name: (program.from_, program.to, program.time) for name, program in stored.items()}


def packaged_lab() -> Path:
    """The simulated laboratory that comes with Athanor."""
    return Path(__file__).parent / "packaged" / "lab.yaml"


def load_lab(path: Path) -> LabConfig:
    """Read a lab file and what it refers to.

    Raises:
        DocumentError: With every fault and its line.
    """
    file = load_model(path, LabFile)
    inventory = load_model(path.parent / file.inventory, InventoryFile)
    config = LabConfig(file, path, inventory)
    faults = _Faults(path)
    _check_stations(config, faults)
    _check_devices(config, faults)
    if faults.found:
        raise DocumentError(faults.found)
    return config


class _Faults:
    """Collects faults with their lines."""

    def __init__(self, path: Path) -> None:
        self.found: list[Fault] = []
        self._path = path
        self._data = load_yaml(path)

    def add(self, keys: tuple[object, ...], message: str) -> None:
        where = ".".join(str(key) for key in keys)
        self.found.append(Fault(os.fspath(self._path), line_of(self._data, keys), f"{where}: {message}"))


def _check_stations(config: LabConfig, faults: _Faults) -> None:
    for station, kind in STATIONS.items():
        for i, name in enumerate(getattr(config.file.stations, station)):
            device = config.devices.get(name)
            if device is None:
                faults.add(
                    ("stations", station, i),
                    f"no device is named {name!r}: there are {', '.join(config.devices)}",
                )
            elif device.kind is not kind:
                faults.add(("stations", station, i), f"{name} is a {device.driver}, and this station needs a {kind}")
        _check_one_station(config, station, faults)
    movers = [name for name, device in config.devices.items() if device.kind is Kind.MOVER]
    if len(movers) != 1:
        faults.add(("devices",), f"found {len(movers)} movers, and a lab needs exactly one device that is a mover")


def _check_one_station(config: LabConfig, station: str, faults: _Faults) -> None:
    count = len(getattr(config.file.stations, station))
    if station != "heat" and count > 1:
        faults.add(("stations", station), f"found {count} devices, and this version uses one: name the one to use")


def _check_devices(config: LabConfig, faults: _Faults) -> None:
    _check_watched(config, faults)
    _check_addresses(config, faults)
    _check_results(config, faults)
    for name, device in config.devices.items():
        watcher = config.devices.get(device.watched_by or "")
        if device.watched_by and (watcher is None or watcher.kind is not Kind.SAFETY):
            faults.add(
                ("devices", name, "watched_by"),
                f"{device.watched_by!r} is no {Kind.SAFETY} of this lab",
            )
        for number, lot in (device.heads or {}).items():
            if lot not in config.inventory.lots:
                known = ", ".join(config.inventory.lots)
                faults.add(
                    ("devices", name, "heads", number),
                    f"lot {lot!r} is not in {config.file.inventory}: there are {known}",
                )


def _check_watched(config: LabConfig, faults: _Faults) -> None:
    for name in config.file.stations.heat:
        device = config.devices.get(name)
        if device is not None and device.kind is Kind.FURNACE and device.watched_by is None:
            faults.add(("devices", name), "nobody watches it: name its safety module with watched_by")


def remarks_on(config: LabConfig) -> list[Fault]:
    """Give what is no fault of a lab file, and what whoever answers for the lab must know, each with its line."""
    found = _Faults(config.path)
    for name in config.all_furnaces:
        if name not in config.watched:
            found.add(
                ("devices", name),
                "no safety module watches this furnace, so nothing cuts its power: limits, permissives and trips only "
                "keep it from being started, and no recipe uses it: name a module with watched_by",
            )
    return found.found


def _check_results(config: LabConfig, faults: _Faults) -> None:
    for name, device in config.devices.items():
        if device.results is not None and parse_address(device.results).wire is not Wire.FOLDER:
            faults.add(("devices", name, "results"), f"{device.results!r} is no folder: write dir:PATH")
            continue
        if device.kind is not Kind.DIFFRACTOMETER or device.place.simulated:
            continue
        if device.results is None or parse_address(device.results).simulated:
            faults.add(
                ("devices", name, "address" if device.results is None else "results"),
                f"its files would be looked for at {device.results or 'no place'}: a real one leaves them in a folder "
                "or share, write results: dir:PATH",
            )


def _check_addresses(config: LabConfig, faults: _Faults) -> None:
    first: dict[str, dict[str | None, str]] = {}
    for name, device in config.devices.items():
        # sim:MODEL names a model; each device gets a place of its own.
        if device.place.wire is Wire.CHOICE:
            continue
        place = device.address.removeprefix("pty:")
        # Several may be on one line where each of them listens to something else.
        told = device.options.get("unit")
        unit = None if told is None else str(told)
        there = first.setdefault(place, {})
        other = next((there[heard] for heard in there if unit is None or heard in (None, unit)), None)
        if other is not None:
            faults.add(("devices", name, "address"), f"{other} has the address {place} too: give each device its own")
        there.setdefault(unit, name)
