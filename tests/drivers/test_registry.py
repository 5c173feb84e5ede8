"""Drivers by the names of the lab file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.errors import BadAddressError, UnknownDriverError
from drivers.instrument import Instrument
from drivers.kinds import Kind
from drivers.registry import build, driver_names, spec_of
from tests.drivers.fakes import FakeGate, Noted


def make(driver: str, address: str, options: dict[str, object], clock: JumpClock, bus: Bus) -> object:
    return build("device-1", driver, address, options, FakeGate(clock), clock, Noted(), bus)


@pytest.mark.parametrize(
    ("driver", "options", "said"),
    [
        ("eurotherm-3216", {}, "there is no driver 'eurotherm-3216' .*did you mean 'eurotherm-3216p'"),
        ("eurotherm-3216p", {}, "needs a limit for setpoint in degC"),
        ("eurotherm-3216p", {"limits": {"setpoint": 1100.0}}, "needs a limit for ramp in degC/min"),
        ("quantos", {"limits": {"mass": 1.0, "speed": 1.0}}, "has no limit 'speed' .it has mass"),
        (
            "quantos",
            {"limits": {"mass": 1.0}, "colour": "red"},
            "has no option 'colour' .it has timeout, act_timeout, baud, parity, stop_bits",
        ),
        ("aeris", {}, "needs results: dir:PATH"),
    ],
)
def test_what_the_lab_file_lacks_or_has_too_much_is_told(
    clock: JumpClock, bus: Bus, driver: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(UnknownDriverError, match=f"device-1: .*{said}"):
        make(driver, "/dev/ttyS0", options, clock, bus)


@pytest.mark.parametrize(
    ("driver", "address", "options"),
    [
        ("eurotherm-3216p", "/dev/ttyS0", {"limits": {"setpoint": 1.0, "ramp": 1.0}}),
        ("quantos", "modbus-rtu:/dev/ttyS0/1", {"limits": {"mass": 1.0}}),
        ("aeris", "/dev/ttyS0", {"results": "dir:/tmp"}),
        ("text-mover", "dir:/tmp", {}),
        ("safety-io", "socket://h:1", {}),
    ],
)
def test_an_address_of_the_wrong_kind_is_told(
    clock: JumpClock, bus: Bus, driver: str, address: str, options: dict[str, object]
) -> None:
    with pytest.raises(BadAddressError, match=r"device-1: .* is no "):
        make(driver, address, options, clock, bus)


STIRRER = """\
from drivers.devices.text_mover import TextMover
from drivers.kinds import Kind
from drivers.spec import DriverSpec, Option


def _build(parts):
    return TextMover(**parts.base, link=parts.line(terminator=b"\\n"))


DRIVER = DriverSpec(Kind.SHAKER, TextMover, _build, options={"colour": Option("of its lid")})
"""


def test_a_module_of_somebody_else_with_a_driver_is_one(
    clock: JumpClock, bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drivers_of_bo").mkdir()
    (tmp_path / "drivers_of_bo" / "stirrer.py").write_text(STIRRER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert spec_of("drivers_of_bo.stirrer").kind is Kind.SHAKER
    assert "drivers_of_bo.stirrer" not in driver_names()
    device = make("drivers_of_bo.stirrer", "socket://127.0.0.1:1", {"colour": "red"}, clock, bus)
    assert isinstance(device, Instrument)
    with pytest.raises(UnknownDriverError, match=r"device-1: driver drivers_of_bo\.stirrer has no option 'speed'"):
        make("drivers_of_bo.stirrer", "socket://127.0.0.1:1", {"speed": 3}, clock, bus)


@pytest.mark.parametrize(
    ("driver", "text", "said"),
    [
        ("drivers_of_cy.empty", "", "module 'drivers_of_cy.empty' has no attribute 'DRIVER'; it must be a module with"),
        ("drivers_of_cy.wrong", "DRIVER = 3", "its DRIVER is a int, not a DriverSpec"),
        (
            "drivers_of_cy.broken",
            "from drivers.spec import Nothing",
            "cannot import name 'Nothing' from 'drivers.spec'",
        ),
        ("drivers_of_cy.missing", None, "No module named 'drivers_of_cy.missing'; it must be a module with a DRIVER"),
    ],
)
def test_a_module_of_somebody_else_without_a_driver_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, text: str | None, said: str
) -> None:
    (tmp_path / "drivers_of_cy").mkdir()
    if text is not None:
        (tmp_path / f"{driver.replace('.', '/')}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnknownDriverError) as refused:
        spec_of(driver)
    assert str(refused.value).startswith(f"{driver!r} is no driver: ")
    assert said in str(refused.value)


def test_a_name_that_begins_with_a_dot_is_no_module() -> None:
    with pytest.raises(UnknownDriverError, match=r"there is no driver '\.aeris' .*did you mean 'aeris'"):
        spec_of(".aeris")


def test_no_limit_has_a_default() -> None:
    assert spec_of("eurotherm-3216p").limits == {"setpoint": "degC", "ramp": "degC/min"}
    assert spec_of("quantos").limits == {"mass": "mg"}


def test_how_long_to_wait_for_an_answer_can_be_told(clock: JumpClock, bus: Bus) -> None:
    mover = build("m", "text-mover", "socket://127.0.0.1:1", {"timeout": 0.02}, FakeGate(clock), clock, Noted(), bus)
    assert mover.link.timeout_s == 0.02


def test_units_on_one_line_share_one_port(clock: JumpClock, bus: Bus) -> None:
    limits = {"limits": {"setpoint": 1.0, "ramp": 1.0}}
    ports = set()
    for unit in (1, 2):
        device = build(
            f"f-{unit}", "eurotherm-3216p", f"modbus-rtu:/dev/none/{unit}", limits, FakeGate(clock), clock, Noted(), bus
        )
        ports.add(id(device.link._port))
    assert len(ports) == 1


def test_a_small_process_gets_links_and_codecs_without_ophyd_or_numpy() -> None:
    code = (
        "import sys, drivers.links, drivers.bus, drivers.registry, drivers.safety_module, drivers.transcript\n"
        "import drivers.codecs.aeris, drivers.codecs.eurotherm, drivers.codecs.quantos, drivers.codecs.text_mover\n"
        "print([name for name in ('ophyd', 'numpy', 'pint', 'bluesky', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
