from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

from lab.console import app as app_module
from lab.console.app import check_routes
from lab.console.routes import ROUTES
from lab.safety.commands.leases import Mode
from tests.lab.front import PEOPLE, SECRET, Front, opened

ALL = "- v o s a"
KNOWN = "v o s a"

MATRIX: dict[tuple[str, str], str] = {
    # nobody, viewer, operator, safety officer, admin
    ("GET", "/"): ALL,
    ("GET", "/console.js"): ALL,
    ("GET", "/console.css"): ALL,
    ("GET", "/api/me"): ALL,
    ("POST", "/api/login"): ALL,
    ("POST", "/api/secret"): ALL,
    ("POST", "/api/logout"): ALL,
    ("POST", "/api/stop"): ALL,
    ("GET", "/api/state"): KNOWN,
    ("GET", "/api/events"): KNOWN,
    ("GET", "/api/leases"): KNOWN,
    ("POST", "/api/leases"): "o",
    ("POST", "/api/leases/{lease}/renew"): "o",
    ("POST", "/api/leases/{lease}/release"): "o",
    ("POST", "/api/arm"): "o",
    ("POST", "/api/execute"): "o",
    ("GET", "/api/commands/{command}"): KNOWN,
    ("POST", "/api/hold"): "o",
    ("POST", "/api/resume"): "o",
    ("GET", "/api/lockouts"): KNOWN,
    ("POST", "/api/lockouts"): "o s",
    ("POST", "/api/lockouts/remove"): "o s",
    ("GET", "/api/alarms"): KNOWN,
    ("POST", "/api/alarms/ack"): "o s",
    ("POST", "/api/alarms/shelve"): "o s",
    ("POST", "/api/alarms/unshelve"): "o s",
    ("POST", "/api/alarms/out-of-service"): "s",
    ("POST", "/api/alarms/in-service"): "s",
    ("GET", "/api/bypasses"): KNOWN,
    ("POST", "/api/bypasses"): "o s",
    ("POST", "/api/bypasses/{bypass}/approve"): KNOWN,
    ("POST", "/api/bypasses/{bypass}/end"): KNOWN,
    ("POST", "/api/reset"): "o s",
    ("POST", "/api/rearm"): "o s",
    ("GET", "/api/audit"): KNOWN,
}

BODIES: dict[str, dict[str, Any]] = {
    "/api/login": {"user": "vera", "secret": SECRET},
    "/api/secret": {"user": "vera", "secret": SECRET, "new_secret": SECRET},
    "/api/leases": {"device": "furnace-1"},
    "/api/arm": {"lease": "none", "device": "furnace-1", "verb": "set-setpoint", "value": "400 degC"},
    "/api/execute": {"token": "none"},
    "/api/hold": {"reason": "lunch"},
    "/api/resume": {},
    "/api/lockouts": {"device": "furnace-1", "reason": "new thermocouple"},
    "/api/lockouts/remove": {"device": "furnace-1"},
    "/api/alarms/ack": {"key": "a"},
    "/api/alarms/shelve": {"key": "a", "for_s": 60, "reason": "known"},
    "/api/alarms/unshelve": {"key": "a"},
    "/api/alarms/out-of-service": {"key": "a", "reason": "broken"},
    "/api/alarms/in-service": {"key": "a"},
    "/api/bypasses": {"rule": "F1-DOOR", "reason": "test", "for_s": 60, "measure": "a guard"},
    "/api/bypasses/{bypass}/approve": {"user": "olga", "secret": SECRET},
    "/api/rearm": {"module": "safety-1"},
}
LETTERS = {None: "-", "vera": "v", "otto": "o", "olga": "s", "adam": "a"}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with opened(tmp_path) as front:
        # Whoever may see the live state is told that there is none, instead of being told for ever.
        front.broadcast.close()
        yield front


def test_every_route_has_an_entry_in_both_tables() -> None:
    assert MATRIX.keys() == ROUTES.keys()


@pytest.mark.parametrize("name", LETTERS)
def test_each_role_gets_exactly_what_is_declared(front: Front, name: str | None) -> None:
    for known in PEOPLE:
        front.add(known, PEOPLE[known])
    lease = front.leases.take(name or "nobody", Mode.MANUAL, {"furnace-1"}).id
    got = {}
    for method, path in MATRIX:
        filled = path.format(lease=lease.replace("#", "%23"), command="c1", bypass="b1") if "{" in path else path
        # A session for each: one of the requests ends it.
        response = front.client(name).request(method, filled, json=BODIES.get(path))
        got[method, path] = response.status_code not in (401, 403)
        assert response.status_code < 500 or path == "/api/events", (path, response.text)
    assert got == {route: LETTERS[name] in letters.split() for route, letters in MATRIX.items()}


def test_somebody_with_a_one_time_secret_may_only_stop_and_set_a_secret(front: Front) -> None:
    for name, role in PEOPLE.items():
        front.users.add(name, [role])
    for name in PEOPLE:
        client = front.client(name)
        passed = {
            path for method, path in MATRIX if method == "GET" and "{" not in path and client.get(path).is_success
        }
        assert passed == {"/", "/console.js", "/console.css", "/api/me"}
        assert client.post("/api/stop").is_success


def test_a_route_that_nobody_declared_stops_the_start(front: Front) -> None:
    front.app.add_api_route("/api/backdoor", lambda: None, methods=["POST"])
    with pytest.raises(RuntimeError, match="/api/backdoor"):
        check_routes(front.app)


def test_routes_that_come_in_a_bundle_are_not_overlooked(front: Front) -> None:
    front.app.include_router(APIRouter())
    with pytest.raises(RuntimeError, match="routes without an entry"):
        check_routes(front.app)


def test_a_declared_route_that_is_not_there_stops_the_start(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "ROUTES", {**ROUTES, ("GET", "/api/gone"): ROUTES["GET", "/api/state"]})
    with pytest.raises(RuntimeError, match="/api/gone"):
        check_routes(front.app)


def test_no_page_of_somebody_elses_is_mounted(front: Front) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        response = front.client().get(path)
        assert (response.status_code, response.json()) == (404, {"error": "there is no such path"})
