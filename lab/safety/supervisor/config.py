"""What a supervisor is told when it starts: one JSON document, written by whoever starts it.

{"lab": NAME, "path": LAB FILE, "world": "real" or "simulated", "rules": compiled interlocks,
 "modules": {NAME: {"address": ..., "watchdog_s": ..., "baud": ...}}, "clock": {"kind": "real"} or
 {"kind": "scaled", "speed": K, "start_s": ..., "origin_s": ...}, "folder": runtime folder,
 "users": FILE or null, "notify": [...] or null,
 "http": {"host": ..., "port": 0 for any, "cert": ..., "key": ...} or null,
 "digest": what `digest_of` makes of it}
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.clock import RealClock, ScaledClock
from lab.errors import UsageError
from lab.safety.interlocks.compiled import from_json
from lab.safety.interlocks.rules import Interlocks

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class ModulePlace:
    """One safety module: where it is, and how long its watchdog waits."""

    name: str
    address: str
    watchdog_s: float
    """As the lab file asks for it, in lab seconds."""
    baud: int = 9600


@dataclass(frozen=True)
class HttpPlace:
    """Where STOP is served over HTTP."""

    host: str = LOOPBACK
    port: int = 0
    """0: any free one."""
    cert: Path | None = None
    key: Path | None = None

    @property
    def scheme(self) -> str:
        """``https`` where there is a certificate."""
        return "http" if self.cert is None else "https"


@dataclass(frozen=True)
class SupervisorConfig:
    """Everything a supervisor knows of its laboratory."""

    lab: str
    path: str | None
    """The lab file, for people."""
    world: str
    interlocks: Interlocks
    modules: tuple[ModulePlace, ...]
    clock: ScaledClock
    folder: Path
    users: Path | None
    notify: list[dict[str, Any]] | None
    http: HttpPlace | None
    version: str = "unknown"
    """Of the software, for the audit log."""
    announce: str | None = None
    """What is printed when it is ready: ``text``, ``json`` or nothing."""
    digest: str | None = None
    """Of what it watches and how, for whoever asks whether it is the right one."""

    @property
    def state_folder(self) -> Path:
        """What outlives a restart: latches, alarms, audit."""
        return self.folder / "safety"


def load_config(path: Path) -> SupervisorConfig:
    """Read the document.

    Raises:
        UsageError: Where it cannot be read, lacks something, or asks for what is not allowed.
    """
    try:
        return _complete(_config(json.loads(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}): start the supervisor with athanor safety"
        ) from None
    except KeyError as error:
        raise UsageError(f"{path}: {error.args[0]} is missing: start the supervisor with athanor safety") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: is no configuration ({error}): start the supervisor with athanor safety") from None


def digest_of(config: Mapping[str, Any]) -> str:
    """SHA-256 of what a supervisor watches and how: modules, world, pace and rules.

    Two documents of the same laboratory have the same, whoever writes them and whenever: where the clock began and who
    is told of what is left out.
    """
    clock = config["clock"]
    watched = {
        "modules": config["modules"],
        "world": config["world"],
        "clock": [clock["kind"], float(clock["speed"]) if clock["kind"] == "scaled" else 1.0],
        "rules": config["rules"]["sha256"],
    }
    return hashlib.sha256(json.dumps(watched, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_http(place: HttpPlace) -> HttpPlace:
    """Give the same place, where it may be served.

    Raises:
        UsageError: For a host that others can reach without TLS, or a certificate without its key.
    """
    if (place.cert is None) != (place.key is None):
        raise UsageError("a certificate needs its key and a key its certificate: give both or none")
    if place.cert is None and not _is_loopback(place.host):
        raise UsageError(
            f"STOP cannot be served on {place.host} without TLS, only on {LOOPBACK}: give a certificate and its key"
        )
    return place


def clock_of(found: Mapping[str, Any]) -> ScaledClock:
    """The clock that a document describes; lab time ``start_s`` at monotonic ``origin_s`` lets processes share it.

    Raises:
        UsageError: For any but a real or scaled clock.
    """
    kind = found.get("kind")
    if kind == "real":
        return RealClock()
    if kind != "scaled":
        raise UsageError(f"a supervisor's clock is real or scaled, not {kind!r}: a lab that jumps in time scans itself")
    speed, start_s = float(found["speed"]), found.get("start_s")
    if start_s is not None:
        start_s = float(start_s) + (time.monotonic() - float(found["origin_s"])) * speed
    return ScaledClock(speed, start_s)


def _config(found: Mapping[str, Any]) -> SupervisorConfig:
    http, users = found.get("http"), found.get("users")
    return SupervisorConfig(
        lab=str(found["lab"]),
        path=found.get("path"),
        world=str(found["world"]),
        interlocks=from_json(found["rules"]),
        modules=tuple(
            ModulePlace(name, str(place["address"]), float(place["watchdog_s"]), int(place.get("baud", 9600)))
            for name, place in found["modules"].items()
        ),
        clock=clock_of(found["clock"]),
        folder=Path(found["folder"]),
        users=None if users is None else Path(users),
        notify=found.get("notify"),
        http=None if http is None else check_http(_http(http)),
        version=str(found.get("version", "unknown")),
        announce=found.get("announce"),
        digest=found.get("digest"),
    )


def _complete(config: SupervisorConfig) -> SupervisorConfig:
    """The same, where every output and every input of its own is on a module that it knows."""
    known = {place.name for place in config.modules}
    rules = config.interlocks
    places = {output.name: output.device for output in rules.outputs.values()}
    places |= {signal.name: signal.device for signal in rules.signals.values() if signal.own}
    for name, device in places.items():
        if device not in known:
            raise ValueError(f"{name} is on {device}, which is not among its modules")
    return config


def _http(found: Mapping[str, Any]) -> HttpPlace:
    cert, key = (None if found.get(name) is None else Path(found[name]) for name in ("cert", "key"))
    return HttpPlace(str(found.get("host", LOOPBACK)), int(found.get("port", 0)), cert, key)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
