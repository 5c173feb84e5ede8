"""The lab file: which instruments there are, where, within which limits, and who works where."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lab.config.addresses import Address, Wire, parse_address
from lab.config.inventory_file import InventoryFile
from lab.config.notify_file import NotifyFile
from protocols.documents import (
    Celsius,
    CelsiusPerMinute,
    Degrees,
    DocumentError,
    Fault,
    FileModel,
    Milligrams,
    Seconds,
    line_of,
    load_model,
    load_yaml,
)

SAFETY_DRIVER = "safety-io"
FURNACE_DRIVERS = ("eurotherm-3216p",)
DOSER_DRIVERS = ("quantos",)
MOVER_DRIVERS = ("text-mover",)
DIFFRACTOMETER_DRIVERS = ("aeris",)
DRIVERS = (*FURNACE_DRIVERS, *DOSER_DRIVERS, *MOVER_DRIVERS, *DIFFRACTOMETER_DRIVERS, SAFETY_DRIVER)

DEFAULT_PROGRAM = "10-80deg-8min"
"""The measuring programme that a diffractometer has where the lab file lists none."""

_REQUIRED = {
    **dict.fromkeys(FURNACE_DRIVERS, ("limits.setpoint", "limits.ramp", "slots", "atmospheres")),
    **dict.fromkeys(DOSER_DRIVERS, ("limits.mass", "heads")),
    **dict.fromkeys(DIFFRACTOMETER_DRIVERS, ("wavelength",)),
    SAFETY_DRIVER: ("watchdog",),
}


class LimitsFile(FileModel):
    """What a device may be asked for; no default is ever assumed."""

    setpoint: Celsius | None = None
    ramp: Annotated[CelsiusPerMinute, Field(gt=0)] | None = None
    mass: Annotated[Milligrams, Field(gt=0)] | None = None


class ProgramFile(FileModel):
    """A measuring programme that was stored on the diffractometer beforehand."""

    from_: Degrees = Field(alias="from")
    to: Degrees
    time: Annotated[Seconds, Field(gt=0)]


class OnLeaseLossFile(FileModel):
    """What a device does when the person who drives it by hand is gone."""

    hold_for: Annotated[Seconds, Field(gt=0)]
    """How long it stays as it is before it goes to its safe state."""


class DeviceFile(FileModel):
    """One instrument."""

    driver: str
    address: str
    limits: LimitsFile = LimitsFile()
    slots: Annotated[int, Field(gt=0)] | None = None
    atmospheres: list[str] | None = None
    watched_by: str | None = None
    heads: dict[int, str] | None = None
    """Dosing head number to the lot that it holds."""
    wavelength: str | None = None
    programs: dict[str, ProgramFile] | None = None
    results: str | None = None
    """Where a diffractometer leaves its files, ``dir:PATH``; a simulated one needs none."""
    watchdog: Annotated[Seconds, Field(gt=0)] | None = None
    baud: Annotated[int, Field(gt=0)] = 9600
    on_lease_loss: OnLeaseLossFile | Literal["safe"] = "safe"
    """What it does when the person who drives it is gone: goes to its safe state, at once or after a while."""

    @field_validator("driver")
    @classmethod
    def _driver_exists(cls, driver: str) -> str:
        if driver not in DRIVERS:
            raise ValueError(f"no driver is named {driver!r}: there are {', '.join(DRIVERS)}")
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

    @model_validator(mode="after")
    def _has_what_its_driver_needs(self) -> DeviceFile:
        missing = [name for name in _REQUIRED.get(self.driver, ()) if self._lacks(name)]
        if missing:
            seen = f"{missing[0]} is" if len(missing) == 1 else f"{', '.join(missing)} are"
            raise ValueError(f"{seen} missing, driver {self.driver} needs that and there is no default: add it")
        return self

    def _lacks(self, name: str) -> bool:
        owner, _, key = name.rpartition(".")
        return getattr(self.limits if owner else self, key) is None

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

    def only(self, drivers: tuple[str, ...]) -> str:
        """The name of the one device with one of these drivers."""
        return next(name for name, device in self.devices.items() if device.driver in drivers)

    def head_of(self, lot: str) -> tuple[str, int] | None:
        """The doser and head number that hold a lot, or None."""
        for name in self.file.stations.dose:
            for number, held in (self.devices[name].heads or {}).items():
                if held == lot:
                    return name, number
        return None

    @property
    def interlocks_path(self) -> Path:
        """The interlock file."""
        return self.path.parent / self.file.interlocks

    @property
    def safety_modules(self) -> dict[str, DeviceFile]:
        """The safety modules by name."""
        return {name: device for name, device in self.devices.items() if device.driver == SAFETY_DRIVER}


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
    wanted = {"heat": FURNACE_DRIVERS, "dose": DOSER_DRIVERS, "measure": DIFFRACTOMETER_DRIVERS}
    for station, drivers in wanted.items():
        for i, name in enumerate(getattr(config.file.stations, station)):
            device = config.devices.get(name)
            if device is None:
                faults.add(
                    ("stations", station, i),
                    f"no device is named {name!r}: there are {', '.join(config.devices)}",
                )
            elif device.driver not in drivers:
                faults.add(
                    ("stations", station, i),
                    f"{name} is a {device.driver}, and this station needs a {' or '.join(drivers)}",
                )
        _check_one_station(config, station, faults)
    movers = [name for name, device in config.devices.items() if device.driver in MOVER_DRIVERS]
    if len(movers) != 1:
        faults.add(
            ("devices",),
            f"found {len(movers)} movers, and a lab needs exactly one device with driver {MOVER_DRIVERS[0]}",
        )


def _check_one_station(config: LabConfig, station: str, faults: _Faults) -> None:
    count = len(getattr(config.file.stations, station))
    if station != "heat" and count > 1:
        faults.add(("stations", station), f"found {count} devices, and this version uses one: name the one to use")


def _check_devices(config: LabConfig, faults: _Faults) -> None:
    _check_watched(config, faults)
    _check_addresses(config, faults)
    for name, device in config.devices.items():
        watcher = config.devices.get(device.watched_by or "")
        if device.watched_by and (watcher is None or watcher.driver != SAFETY_DRIVER):
            faults.add(
                ("devices", name, "watched_by"),
                f"{device.watched_by!r} is no {SAFETY_DRIVER} device of this lab",
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
        if device is not None and device.driver in FURNACE_DRIVERS and device.watched_by is None:
            faults.add(("devices", name), "nobody watches it: name its safety module with watched_by")


def _check_addresses(config: LabConfig, faults: _Faults) -> None:
    first: dict[str, str] = {}
    for name, device in config.devices.items():
        # sim:MODEL names a model; each device gets a place of its own.
        if device.place.wire is Wire.CHOICE:
            continue
        place = device.address.removeprefix("pty:")
        if place in first:
            faults.add(
                ("devices", name, "address"),
                f"{first[place]} has the address {device.address} too: give each device its own",
            )
        first.setdefault(place, name)
