"""The worked example of an instrument that is not part of Athanor, as its page tells it."""

from __future__ import annotations

import importlib
import math
import os
import re
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

import bluesky.plan_stubs as bps
from bluesky import Msg

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.errors import ActionFailedError, CommandDeniedError, LimitError, WrongInstrumentError
from drivers.gate import Command, Granted, acting_as
from drivers.registry import build
from drivers.transcript import NoTranscript
from lab.config.lab_file import load_lab
from lab.startup import Choices, OpenLab, open_lab
from sim import Instrument, Laboratory, Simulation, serve
from sim.relay import Fault

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "new_instrument.md"
EXAMPLE = ROOT / "docs" / "examples" / "new_instrument"

Plan = Generator[Msg, Any, Any]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenLab]:
    monkeypatch.syspath_prepend(EXAMPLE)
    opened = open_lab(load_lab(EXAMPLE / "lab.yaml"), tmp_path, Choices(seed=1))
    opened.start()
    opened.clock.sleep_until(opened.clock.now() + 5.0)
    yield opened
    opened.close()
    forget()


def forget() -> None:
    """Let no other test find the example's modules."""
    for name in [name for name in sys.modules if name.startswith("hot_plate_example")]:
        del sys.modules[name]


def warm(plate: Any, degc: float, until_s: float) -> Plan:
    """Heat the plate, wait, and record what it reads."""

    def body() -> Plan:
        yield from bps.open_run()
        yield from bps.abs_set(plate, "set-setpoint", degc=degc, wait=True)
        yield Msg("sleep_until", None, until_s)
        yield from bps.create("warm")
        reading = yield from bps.read(plate)
        yield from bps.save()
        yield from bps.close_run()
        return reading

    return (yield from body())


def run(lab: OpenLab, plan: Plan) -> Any:
    return lab.engines[0].run(plan, actor="auto", holder="test", devices=["plate-1"], metadata={})


def do(lab: OpenLab, verb: str, **arguments: object) -> BaseException | None:
    """Have the plate act as a person does, and give how it failed."""
    over = lab.clock.event()
    with acting_as("auto", "test"):
        status = lab.devices["plate-1"].set(verb, **arguments)
    status.add_callback(lambda _: over.set())
    assert over.wait(lab.clock.now() + 3600.0)
    error: BaseException | None = status.exception()
    return error


def test_a_plan_heats_the_plate_and_reads_it(lab: OpenLab) -> None:
    assert lab.answers["plate-1"] == "hot plate SN-plate-1"
    plate = lab.devices["plate-1"]
    reading = run(lab, warm(plate, 80.0, lab.clock.now() + 1800.0))
    assert reading["plate-1_reading_degc"]["value"] == pytest.approx(80.0, abs=0.2)
    assert reading["plate-1_setpoint_degc"]["value"] == 80.0
    described = plate.describe()
    assert described["plate-1_setpoint_degc"]["upper_ctrl_limit"] == 200.0
    assert described["plate-1_reading_degc"]["units"] == "degC"


def test_limits_hold_in_the_driver_and_at_the_gate(lab: OpenLab) -> None:
    with pytest.raises(LimitError, match=r"plate-1: 300 degC requested, allowed above 0 to 200 degC"):
        do(lab, "set-setpoint", degc=300.0)
    lab.devices["plate-1"]._most_degc = 1000.0
    with pytest.raises(CommandDeniedError, match="200 degC"):
        do(lab, "set-setpoint", degc=300.0)


def test_it_stops(lab: OpenLab) -> None:
    run(lab, warm(lab.devices["plate-1"], 80.0, lab.clock.now() + 60.0))
    assert do(lab, "stop") is None
    lab.clock.sleep_until(lab.clock.now() + 3600.0)
    assert lab.devices["plate-1"].setpoint_degc.get() == 0.0
    assert lab.devices["plate-1"].reading_degc.get() == pytest.approx(22.0, abs=0.2)


def test_the_page_shows_what_is_in_the_files() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (PAGE.parent / target).exists(), target
    files = [path.read_text(encoding="utf-8") for path in EXAMPLE.rglob("*.*") if path.suffix in {".py", ".yaml"}]
    blocks = re.findall(r"```(python|yaml)\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    assert [block for _, block in blocks if not any(block in file for file in files)] == []
    assert "hot_plate_example/driver.py" in text
    assert "hot_plate_example/simulator.py" in text


def test_whatever_the_page_names_of_the_code_is_there() -> None:
    named = re.findall(r"`((?:drivers|sim)(?:\.\w+)+)`", PAGE.read_text(encoding="utf-8"))
    assert named
    for name in named:
        module, _, attribute = name.rpartition(".")
        if attribute not in dir(importlib.import_module(module)):
            importlib.import_module(name)


class OpenGate:
    """Grants everything."""

    def __init__(self, clock: JumpClock) -> None:
        self._clock = clock

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        return Granted(command, self._clock.now())


@dataclass
class Alone:
    """The plate without a laboratory around it."""

    device: Any
    simulation: Simulation
    clock: JumpClock

    def do(self, verb: str, **arguments: object) -> BaseException | None:
        status = self.device.set(verb, **arguments)
        while not status.done:
            self.wait(10.0)
        error: BaseException | None = status.exception()
        return error

    def wait(self, seconds: float) -> None:
        self.clock.sleep_until(self.clock.now() + seconds)

    def inject(self, fault: Fault, times: int = 1, variant: str | None = None, lasting: int | None = 10) -> None:
        self.simulation.relay.inject("plate-1", fault, times, variant=variant, lasting=lasting)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Alone]:
    monkeypatch.syspath_prepend(EXAMPLE)
    clock = JumpClock()
    plate = Instrument("plate-1", "hot_plate_example.simulator", "socket://sim:7301")
    with serve(Laboratory("lab", (plate,), {}), clock, tmp_path) as simulation:
        address = simulation.endpoints["plate-1"]
        bus = Bus("plate-1", clock)
        options = {"limits": {"setpoint": 200.0}, "timeout": 0.05, "quiet": 0.03}
        device = build(
            "plate-1", "hot_plate_example.driver", address, options, OpenGate(clock), clock, NoTranscript(), bus
        )
        one = Alone(device, simulation, clock)
        one.wait(60.0)
        yield one
        bus.close()
    forget()


def test_a_lost_reply_is_settled_by_looking(alone: Alone) -> None:
    alone.inject(Fault.NO_REPLY, variant="reply")
    assert alone.do("set-setpoint", degc=80.0) is None
    assert [what for _, what in alone.simulation.plant.log] == ["plate-1 heats to 80 degC"]


def test_a_setpoint_that_is_ignored_is_noticed(alone: Alone) -> None:
    alone.inject(Fault.SETPOINT_IGNORED, lasting=None)
    error = alone.do("set-setpoint", degc=80.0)
    assert isinstance(error, ActionFailedError)
    assert "was told 80 degC 3 times and says that it heats to 0 degC" in str(error)


def test_another_plate_behind_the_address_is_an_error(alone: Alone) -> None:
    assert alone.device.identify() == "hot plate SN-plate-1"
    alone.inject(Fault.OTHER_DEVICE, lasting=None)
    alone.wait(600.0)
    assert alone.device.comm_ok.get() == 0
    assert isinstance(alone.device.last_error, WrongInstrumentError)
    alone.simulation.relay.stop()
    alone.wait(600.0)
    assert alone.device.comm_ok.get() == 1


def test_what_is_done_at_the_panel_is_seen(alone: Alone) -> None:
    alone.inject(Fault.LOCAL_CHANGE)
    alone.wait(130.0)
    assert alone.device.setpoint_degc.get() > 0.0
    alone.inject(Fault.POWER_CYCLE)
    alone.wait(300.0)
    assert alone.device.setpoint_degc.get() == 0.0


@pytest.mark.parametrize(
    "fault", [Fault.NO_REPLY, Fault.LATE_REPLY, Fault.DUPLICATE_REPLY, Fault.PARTIAL_FRAME, Fault.PAYLOAD_CORRUPTION]
)
def test_on_a_wire_that_breaks_its_reading_is_right_or_unknown(alone: Alone, fault: Fault) -> None:
    alone.simulation.relay.late_s = 0.07
    alone.inject(fault, times=4)
    for _ in range(20):
        alone.wait(30.0)
        reading_degc = alone.device.reading_degc.get()
        assert math.isnan(reading_degc) or reading_degc == pytest.approx(22.0, abs=1.1)
    assert alone.device.comm_ok.get() == 1
