"""What a supervisor is told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UsageError
from lab.safety.interlocks.compiled import to_json
from lab.safety.supervisor.config import HttpPlace, check_http, clock_of, digest_of, load_config
from tests.lab.guarded import F1, RULES


def config(folder: Path, **changed: object) -> Path:
    found: dict[str, Any] = {
        "lab": "powder-1",
        "world": "simulated",
        "rules": to_json(RULES),
        "modules": {
            name: {"address": f"modbus-tcp://127.0.0.1:{port}/1", "watchdog_s": 1.0}
            for name, port in (("safety-1", 5020), ("safety-2", 5021))
        },
        "clock": {"kind": "real"},
        "folder": str(folder),
        "users": None,
        "notify": None,
        "http": {"host": "127.0.0.1", "port": 0, "cert": None, "key": None},
    }
    path = folder / "config.json"
    path.write_text(json.dumps({name: value for name, value in {**found, **changed}.items() if value != "gone"}))
    return path


def test_rules_modules_and_places_arrive_as_they_were_written(tmp_path: Path) -> None:
    found = load_config(config(tmp_path))
    assert found.interlocks == RULES
    assert found.interlocks.outputs[F1].continue_for_s == 5.0
    assert [(place.name, place.watchdog_s, place.baud) for place in found.modules] == [
        ("safety-1", 1.0, 9600),
        ("safety-2", 1.0, 9600),
    ]
    assert found.state_folder == tmp_path / "safety"
    assert found.http == HttpPlace("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rules": "gone"}, "rules is missing"),
        ({"rules": {"version": 99}}, "version 99"),
        ({"modules": {"safety-1": {"address": "x"}}}, "watchdog_s is missing"),
        ({"modules": {"safety-1": {"address": "x", "watchdog_s": "soon"}}}, "could not convert"),
        ({"modules": {}}, "f1.heater is on safety-1, which is not among its modules"),
        ({"clock": {"kind": "jump"}}, "real or scaled, not 'jump'"),
        ({"clock": {"kind": "scaled", "speed": 0}}, "positive factor"),
    ],
)
def test_what_it_cannot_serve_is_refused_in_one_sentence(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_config(config(tmp_path, **changed))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing.json: cannot be read"):
        load_config(tmp_path / "nothing.json")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_stop_is_served_on_the_loopback_address_without_more(host: str) -> None:
    assert check_http(HttpPlace(host)).scheme == "http"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "127.evil.example", "lab.example.org"])
def test_stop_is_served_to_others_with_tls_alone(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="without TLS"):
        check_http(HttpPlace(host))
    assert check_http(HttpPlace(host, cert=tmp_path / "cert", key=tmp_path / "key")).scheme == "https"
    with pytest.raises(UsageError, match="both or none"):
        check_http(HttpPlace(host, cert=tmp_path / "cert"))


def test_processes_share_a_scaled_clock() -> None:
    facts = {"kind": "scaled", "speed": 60.0, "start_s": 1000.0, "origin_s": time.monotonic() - 10.0}
    one, other = clock_of(facts), clock_of(facts)
    assert one.now() == pytest.approx(1600.0, abs=6.0)
    assert one.now() == pytest.approx(other.now(), abs=1.0)


DIGESTED: dict[str, Any] = {
    "modules": {"safety-1": {"address": "a", "watchdog_s": 1.0}},
    "world": "simulated",
    "clock": {"kind": "scaled", "speed": 60.0, "start_s": 1.0, "origin_s": 2.0},
    "rules": {"sha256": "5afe"},
}


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"clock": {"kind": "scaled", "speed": 60, "start_s": 7.0, "origin_s": 9.0}}, True),
        ({"http": {"port": 1}, "users": "x", "notify": [], "announce": "text"}, True),
        ({"clock": {"kind": "scaled", "speed": 61.0}}, False),
        ({"clock": {"kind": "real"}}, False),
        ({"world": "real"}, False),
        ({"rules": {"sha256": "other"}}, False),
        ({"modules": {"safety-1": {"address": "b", "watchdog_s": 1.0}}}, False),
        ({"modules": {"safety-1": {"address": "a", "watchdog_s": 2.0}}}, False),
    ],
)
def test_the_digest_is_of_what_is_watched_and_how(changed: dict[str, Any], same: bool) -> None:
    assert (digest_of({**DIGESTED, **changed}) == digest_of(DIGESTED)) is same


def test_the_digest_arrives_where_there_is_one(tmp_path: Path) -> None:
    assert load_config(config(tmp_path)).digest is None
    assert load_config(config(tmp_path, digest="d1")).digest == "d1"
