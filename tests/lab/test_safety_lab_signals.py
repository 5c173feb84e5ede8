from __future__ import annotations

import math
from typing import Any

import pytest

from drivers.devices.eurotherm_3216p import Eurotherm3216P
from lab.safety.commands.contents import Contents
from lab.safety.commands.lab_signals import LabSignals
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks, Output, Signal


class Cached:
    """A reading that a test sets."""

    def __init__(self, value: Any, units: str = "") -> None:
        self.value, self.units = value, units

    def get(self) -> Any:
        return self.value


class Furnace:
    READS = Eurotherm3216P.READS

    def __init__(self) -> None:
        self.reading_degc, self.setpoint_degc = Cached(851.0, "degC"), Cached(860.0, "degC")
        self.output_percent = Cached(65.0, "%")
        self.program_status, self.comm_ok, self.age_s = Cached("run"), Cached(1), Cached(20.0)


class Mover:
    def __init__(self) -> None:
        self.inside, self.comm_ok, self.age_s = Cached(""), Cached(1), Cached(59.0)


def signal(name: str, source: str, unit: str | None = None, max_age_s: float = 60.0) -> Signal:
    device, _, channel = source.partition(".")
    return Signal(name, device, channel, unit, -20.0, 1350.0, max_age_s)


SIGNALS = (
    signal("f1.reading", "furnace-1.reading", "degC"),
    signal("f1.kelvin", "furnace-1.reading", "K"),
    signal("f1.setpoint", "furnace-1.setpoint", "degC"),
    signal("f1.output", "furnace-1.output", "percent"),
    signal("f1.answers", "furnace-1.comm_ok"),
    signal("f1.robot", "mover-1.inside.furnace-1", max_age_s=5.0),
    signal("mill.oxidiser", "mill-1.contents.oxidiser", max_age_s=5.0),
    signal("f1.dry", "furnace-1.contents.dry"),
    signal("f1.over", "safety-1.ai1", "degC"),
)
OUTPUTS = {"f1.heater": Output("f1.heater", "safety-1", "do1"), "gas": Output("gas", "safety-2", "do3")}


class Lab:
    def __init__(self, *signals: Signal) -> None:
        self.furnace, self.mover, self.contents = Furnace(), Mover(), Contents({"BaO2-lot2": "BaO2"})
        self.signals = LabSignals(
            Interlocks({s.name: s for s in signals or SIGNALS}, OUTPUTS, (), ()),
            {"furnace-1": self.furnace, "mover-1": self.mover},
            self.contents,
            {"safety-1": ("furnace-1",)},
        )

    def value(self, name: str) -> Value:
        return self.signals.values()[name]


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_readings_come_in_the_unit_of_the_rules(lab: Lab) -> None:
    values = lab.signals.values()
    assert (values["f1.reading"], values["f1.setpoint"], values["f1.output"]) == (851.0, 860.0, 65.0)
    assert values["f1.kelvin"] == pytest.approx(1124.15)


def test_what_the_supervisor_reads_itself_is_left_to_it(lab: Lab) -> None:
    assert "f1.over" not in lab.signals.values()


@pytest.mark.parametrize("reading", [math.nan, 1400.0, math.inf, -21.0])
def test_a_reading_that_cannot_be_is_unknown(lab: Lab, reading: float) -> None:
    lab.furnace.reading_degc.value = reading
    assert lab.value("f1.reading") is None


def test_a_reading_is_believed_for_as_long_as_the_file_says(lab: Lab) -> None:
    lab.furnace.age_s.value = 60.0
    assert lab.value("f1.reading") == 851.0
    lab.furnace.age_s.value = 60.1
    assert lab.value("f1.reading") is None


def test_whether_an_instrument_answers_is_always_known(lab: Lab) -> None:
    lab.furnace.age_s.value = math.inf
    assert lab.value("f1.answers") is True
    lab.furnace.comm_ok.value = 0
    assert lab.value("f1.answers") is False


def test_the_arm_is_inside_the_furnace_that_its_job_reaches_into(lab: Lab) -> None:
    assert lab.value("f1.robot") is False
    lab.mover.inside.value = "crucibles furnace-1"
    assert lab.value("f1.robot") is True
    lab.mover.inside.value = "crucibles furnace-2"
    assert lab.value("f1.robot") is False


def test_after_a_job_that_failed_and_while_it_is_silent_nobody_knows_where_the_arm_is(lab: Lab) -> None:
    lab.mover.inside.value = "unknown"
    assert lab.value("f1.robot") is None
    lab.mover.inside.value = "unknown furnace-2"
    assert lab.value("f1.robot") is None
    lab.mover.inside.value, lab.mover.comm_ok.value = "", 0
    assert lab.value("f1.robot") is None


def test_contents_are_those_of_the_place(lab: Lab) -> None:
    assert (lab.value("mill.oxidiser"), lab.value("f1.dry")) == (False, True)
    lab.contents.weighed("s1", ["BaO2-lot2"])
    lab.contents.put("s1", "mill-1")
    assert lab.value("mill.oxidiser") is True
    lab.contents.weighed("s1", ["who knows"])
    assert lab.value("mill.oxidiser") is None


@pytest.mark.parametrize(
    ("source", "unit"),
    [
        ("furnace-9.reading", "degC"),
        ("furnace-1.colour", None),
        ("furnace-1.reading", "mg"),
        ("furnace-1.reading", None),
        ("mover-1.reading", "degC"),
        ("furnace-1.inside.furnace-1", None),
        ("mill-1.contents.colour", None),
    ],
)
def test_what_nobody_can_say_is_unknown(source: str, unit: str | None) -> None:
    assert Lab(signal("odd", source, unit)).value("odd") is None


def test_a_contactor_runs_a_programme_while_the_furnace_behind_it_does(lab: Lab) -> None:
    assert lab.signals.running() == {"f1.heater"}
    for status in ("hold", "reset", "end", "unknown"):
        lab.furnace.program_status.value = status
        assert lab.signals.running() == set()


def test_a_controller_that_was_not_seen_for_long_runs_nothing(lab: Lab) -> None:
    lab.furnace.age_s.value = 151.0
    assert lab.signals.running() == set()


def test_the_live_state_of_a_furnace_is_for_the_audit(lab: Lab) -> None:
    assert lab.signals.live("furnace-1") == {"reading": 851.0, "setpoint": 860.0, "output": 65.0}
    lab.furnace.reading_degc.value = math.nan
    assert lab.signals.live("furnace-1")["reading"] is None
    assert lab.signals.live("mover-1") == lab.signals.live("nothing-1") == {}
