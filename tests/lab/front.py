"""A laboratory behind its lab service, in memory: what people ask of it is written down, and answered."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from drivers.clock import RealClock
from lab.console.app import build_app
from lab.console.entrance import Entrance, csrf_of
from lab.console.events import Broadcast
from lab.console.parts import Parts
from lab.console.person import Person
from lab.console.service import LabService
from lab.errors import LabError
from lab.safety.audit.log import AuditLog
from lab.safety.commands.holds import Holds
from lab.safety.commands.leases import Lease, LeaseBook, Mode
from lab.safety.commands.manual import ManualControl
from lab.safety.people.roles import Role
from lab.safety.people.tokens import TokenStore
from lab.safety.people.users import Costs, UserStore

CHEAP = Costs(passes=1, memory_kib=8, lanes=1)
"""Hashes that cost a test nothing."""
SECRET = "correct horse battery"
PEOPLE = {"vera": "viewer", "otto": "operator", "olga": "safety_officer", "adam": "admin"}


def person(name: str) -> Person:
    return Person(name, frozenset({Role(PEOPLE[name])}), "session 0")


@dataclass
class Furnace:
    """Says what it was last seen at."""

    name: str = "furnace-1"
    reading_degc: float = 412.5
    at_s: float = 100.0

    def read(self) -> dict[str, dict[str, Any]]:
        values = {"reading_degc": self.reading_degc, "comm_ok": 1, "age_s": 0.25}
        return {f"{self.name}_{key}": {"value": value, "timestamp": self.at_s} for key, value in values.items()}

    def describe(self) -> dict[str, dict[str, Any]]:
        return {f"{self.name}_reading_degc": {"units": "degC"}, f"{self.name}_comm_ok": {}}


@dataclass
class Supervisor:
    """Answers as `answers` says, else well; a Watch."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=lambda: {"scan": 1, "tripped": [], "bypasses": []})
    hangs: threading.Event | None = None

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(dict(message))
        if self.hangs is not None:
            self.hangs.wait(10.0)
        return {"ok": True, **self.answers.get(str(message["do"]), {})}

    def snapshot(self) -> dict[str, Any]:
        return self.state

    def tripped(self) -> tuple[str, ...]:
        return ()

    def values(self) -> dict[str, Any]:
        return {}

    def held(self) -> frozenset[str]:
        return frozenset()

    def bypassed(self) -> frozenset[str]:
        return frozenset()


@dataclass(frozen=True)
class Shown:
    """Something that is shown as JSON."""

    json: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return self.json


@dataclass
class ArmedThing:
    token: str
    device: str
    text: str
    hazard: str

    def to_json(self) -> dict[str, Any]:
        return {"token": self.token, "device": self.device, "command": self.text, "denied": []}


@dataclass
class Hands:
    """Stands in for `ManualControl`: takes leases in the book, and does at once what it is told."""

    leases: LeaseBook
    did: list[tuple[Any, ...]] = field(default_factory=list)
    things: dict[str, ArmedThing] = field(default_factory=dict)
    refuses: dict[str, Exception] = field(default_factory=dict)
    waits: threading.Event | None = None

    def take(self, device: str, user: str, role: str | None = None) -> Shown:
        self._do("take", device, user, role)
        return Shown(self.leases.take(user, Mode.MANUAL, {device}, role=role).to_json())

    def renew(self, lease_id: str) -> Lease:
        return self.leases.renew(lease_id)

    def release(self, lease_id: str) -> tuple[str, ...]:
        self._do("release", lease_id)
        self.leases.release(lease_id)
        return ("furnace-1 goes to its safe state",)

    def arm(self, lease_id: str, device: str, verb: str, value: str | None = None) -> ArmedThing:
        self._do("arm", lease_id, device, verb, value)
        hazard = "medium" if verb == "set-setpoint" else "low"
        return self.things.setdefault("t1", ArmedThing("t1", device, f"{verb} {value}", hazard))

    def armed(self) -> list[ArmedThing]:
        return list(self.things.values())

    def execute(self, token: str, user: str) -> dict[str, Any]:
        if self.waits is not None:
            self.waits.wait(10.0)
        self._do("execute", token, user)
        armed = self.things.pop(token, None)
        if armed is None:
            raise LabError("this command is not armed, or was executed already: arm it again")
        return {"device": armed.device, "command": armed.text, "done": True, "notes": []}

    def hold(self, key: str, user: str, why: str = "") -> None:
        self._do("hold", key, user, why)

    def resume(self, key: str, user: str, role: str | None = None) -> None:
        self._do("resume", key, user, role)

    def _do(self, verb: str, *told: Any) -> None:
        if verb in self.refuses:
            raise self.refuses[verb]
        self.did.append((verb, *told))


@dataclass
class Notes:
    """An audit log in memory."""

    records: list[dict[str, Any]] = field(default_factory=list)
    path: Path = Path("audit.jsonl")

    @property
    def head(self) -> tuple[int, str]:
        return len(self.records), "5afe"

    @property
    def actions(self) -> list[str]:
        return [record["action"] for record in self.records]

    def try_write(self, action: str, *, who: str, **fields: Any) -> str | None:
        self.records.append({"action": action, "who": who, **fields})
        return None


class Front:
    """A lab service with all that stands behind it."""

    def __init__(self, folder: Path, runner: asyncio.Runner, stop_url: Callable[[], str | None]) -> None:
        self.runner = runner
        self.supervisor = Supervisor()
        self.leases = LeaseBook()
        self.hands = Hands(self.leases)
        self.holds = Holds()
        self.furnace = Furnace()
        self.notes = Notes()
        self.users = UserStore(folder / "users.json", costs=CHEAP)
        self.tokens = TokenStore(folder / "tokens.json", self.users)
        self.service = LabService(
            Parts(
                lab="powder-1",
                world="simulated",
                clock=RealClock(),
                devices={"furnace-1": self.furnace},
                watch=self.supervisor,
                leases=self.leases,
                manual=cast("ManualControl", self.hands),
                holds=self.holds,
                audit=cast("AuditLog", self.notes),
            )
        )
        self.entrance = Entrance(self.users, self.tokens, self.notes)
        self.broadcast = Broadcast(self.service.look)
        self.app: FastAPI = build_app(self.service, self.entrance, self.broadcast, stop_url)

    def add(self, name: str, *roles: str) -> None:
        """A person who has a secret of their own, `SECRET`."""
        self.users.add(name, roles)
        self.users.set_secret(name, SECRET)

    def client(self, name: str | None = None, base_url: str = "http://localhost:8765") -> Browser:
        """A browser, logged in as somebody."""
        browser = Browser(self.runner, self.app, base_url)
        if name is not None:
            if self.users.get(name) is None:
                self.add(name, PEOPLE[name])
            session = self.entrance.sessions.open(name)
            browser.headers["Cookie"] = f"{browser.cookie}={session}"
            browser.headers["X-CSRF-Token"] = csrf_of(session)
        return browser


@dataclass
class Browser:
    """Asks an application without a network, and sends what it is told to send, nothing by itself."""

    runner: asyncio.Runner
    app: Callable[[Any, Any, Any], Coroutine[None, None, None]]
    base_url: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def cookie(self) -> str:
        """Name of the session's cookie."""
        return f"{'__Host-' if self.base_url.startswith('https') else ''}athanor-powder-1"

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, json: object = None, **more: Any) -> httpx.Response:
        return self.request("POST", path, json=json, **more)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = self.headers | more.pop("headers", {})
        return self.runner.run(self._request(method, path, headers=headers, **more))

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=self.base_url) as client:
            return await client.request(method, path, **more)


@contextmanager
def opened(folder: Path, stop_url: Callable[[], str | None] = lambda: None) -> Iterator[Front]:
    """A lab service whose requests can be made one after the other."""
    with asyncio.Runner() as runner:
        yield Front(folder, runner, stop_url)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*make, "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert], check=True, capture_output=True
    )
    return cert, key
