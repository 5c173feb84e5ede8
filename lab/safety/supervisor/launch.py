"""From a checked lab file to what its supervisor is told; here rules are read and linted, there they are floats."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.config.lab_file import DeviceFile, LabConfig
from lab.errors import UsageError
from lab.safety.interlocks.compiled import to_json
from lab.safety.interlocks.lint import interlocks_of
from lab.safety.supervisor.config import HttpPlace, check_http, digest_of
from lab.simulator import running_simulator

if TYPE_CHECKING:
    from lab.safety.alarms.notify_routes import Route

REAL: dict[str, Any] = {"kind": "real"}


def config_of(
    lab: LabConfig,
    *,
    http: HttpPlace | None,
    users: Path | None = None,
    routes: Sequence[Route] = (),
) -> dict[str, Any]:
    """Compile the interlock file of a lab, and say where its safety modules are.

    Args:
        lab: The checked lab file.
        http: Where STOP is served over HTTP; None for the Unix socket alone.
        users: File of the people who may approve bypasses.
        routes: Who is told of alarms.

    Returns:
        What `lab.safety.supervisor.config` reads.

    Raises:
        DocumentError: Where the interlock file does not lint, with every fault and its line.
        UsageError: Where simulated modules are not served, or STOP may not be served there.
    """
    interlocks = interlocks_of(lab)
    if http is not None:
        check_http(http)
    simulator = running_simulator(lab.name) if lab.simulated else None
    config = {
        "lab": lab.name,
        "path": str(lab.path.resolve()),
        "world": "simulated" if lab.simulated else "real",
        "rules": to_json(interlocks),
        "modules": {
            name: {
                "address": _address(name, device, simulator),
                "watchdog_s": device.watchdog,
                "baud": device.baud or 9600,
            }
            for name, device in lab.safety_modules.items()
        },
        "clock": _clock(lab, simulator),
        "users": None if users is None else str(users),
        "notify": _routes(routes),
        "http": None if http is None else _http(http),
        "version": _version(),
    }
    return {**config, "digest": digest_of(config)}


def _address(name: str, device: DeviceFile, simulator: dict[str, Any] | None) -> str:
    if not device.place.simulated:
        return device.address.removeprefix("pty:")
    address: str | None = None if simulator is None else simulator["endpoints"].get(name)
    if address is None:
        raise UsageError(
            f"{name}: its address {device.address} is simulated, and nobody serves it: start athanor sim with this lab"
        )
    return address


def _clock(lab: LabConfig, simulator: dict[str, Any] | None) -> dict[str, Any]:
    clock: dict[str, Any] = REAL if simulator is None else simulator["clock"]
    if lab.real_devices and clock["kind"] != REAL["kind"]:
        raise UsageError(
            f"{', '.join(lab.real_devices)}: real instruments live in real time, and the simulated ones run "
            f"{clock['speed']:g} times as fast: start athanor sim without --speed"
        )
    return clock


def _routes(routes: Sequence[Route]) -> list[dict[str, Any]] | None:
    if not routes:
        return None
    from lab.safety.alarms.notify_routes import routes_to_json

    return routes_to_json(routes)


def _http(place: HttpPlace) -> dict[str, Any]:
    files = {"cert": place.cert, "key": place.key}
    paths = {name: None if path is None else str(path.resolve()) for name, path in files.items()}
    return {"host": place.host, "port": place.port, **paths}


def _version() -> str:
    try:
        return version("athanor")
    except PackageNotFoundError:
        return "unknown"
