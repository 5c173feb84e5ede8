"""Finds the driver that a lab file names, and makes its device.

``eurotherm-3216p`` is `drivers.devices.eurotherm_3216p`. A name with dots, such as ``ourlab.hotplate``, is a module
of somebody else. Either has a `DRIVER`, which says what it must be told.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import drivers.devices
from drivers.bus import Bus
from drivers.clock import Clock
from drivers.errors import UnknownDriverError
from drivers.gate import Gate
from drivers.spec import DriverSpec, Parts
from drivers.transcript import Transcript

if TYPE_CHECKING:
    from drivers.instrument import Instrument

Options = Mapping[str, Any]


def driver_names() -> tuple[str, ...]:
    """Every driver that comes with Athanor, sorted; loads none of them."""
    return tuple(sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(drivers.devices.__path__)))


def spec_of(driver: str) -> DriverSpec:
    """Give what a driver must and may be told; loads it.

    Raises:
        UnknownDriverError: Where there is no such driver.
    """
    if not _is_dotted(driver) and driver not in driver_names():
        near = difflib.get_close_matches(driver, driver_names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownDriverError(f"there is no driver {driver!r} (there are {', '.join(driver_names())}){hint}")
    name = driver if _is_dotted(driver) else f"drivers.devices.{driver.replace('-', '_')}"
    try:
        found = importlib.import_module(name).DRIVER
    except (ImportError, AttributeError) as error:
        raise UnknownDriverError(f"{driver!r} is no driver: {error}; it must be a module with a DRIVER") from error
    if not isinstance(found, DriverSpec):
        raise UnknownDriverError(f"{driver!r} is no driver: its DRIVER is a {type(found).__name__}, not a DriverSpec")
    return found


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
        driver: As `spec_of` takes it.
        address: An endpoint, as `drivers.address` reads it.
        options: ``limits`` with numbers in the units that `DriverSpec.limits` says, and what
            `DriverSpec.takes` names, numbers in its units.
        gate: Asked before anything is made to happen.
        clock: Lab time.
        transcript: Where the bytes are noted.
        bus: Of `drivers.address.port_of(address)`.

    Raises:
        UnknownDriverError: For a driver, limit or option that there is not, or that is missing.
        BadAddressError: For an address of the wrong kind.
    """
    try:
        spec = spec_of(driver)
    except UnknownDriverError as error:
        raise UnknownDriverError(f"{name}: {error}") from None
    _check_limits(name, driver, spec, options.get("limits", {}))
    _check_options(name, driver, spec, options)
    device = spec.build(Parts(name, address, options, gate, clock, transcript, bus))
    bus.add(device)
    return device


def _is_dotted(driver: str) -> bool:
    return "." in driver and not driver.startswith(".")


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
        if option != "limits" and option not in spec.takes:
            known = ", ".join(spec.takes) or "none"
            raise UnknownDriverError(f"{name}: driver {driver} has no option {option!r} (it has {known})")
    for option, told in spec.takes.items():
        if told.required and option not in options:
            raise UnknownDriverError(f"{name}: driver {driver} needs {option}: {told.about}")
