from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from collections.abc import Iterator
from typing import Any, cast

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.devices.aeris import Aeris
from drivers.devices.eurotherm_3216p import Eurotherm3216P
from drivers.devices.safety_io import SafetyIO
from drivers.devices.text_mover import TextMover
from drivers.registry import spec_of
from drivers.spec import Parts
from drivers.transcript import NoTranscript
from lab.safety.commands.spoken import SpokenError, Verb, verbs_of


@pytest.fixture(scope="module")
def devices() -> Iterator[dict[str, Any]]:
    """One of each driver, with nothing behind it."""
    clock = JumpClock()
    bus = Bus("none", clock)
    nothing = cast("Any", None)
    common: dict[str, Any] = {"gate": nothing, "clock": clock, "bus": bus}
    limits = {"setpoint": 1100.0, "ramp": 10.0}
    yield {
        "furnace": Eurotherm3216P("furnace-1", link=nothing, limits=limits, instrument_type=0, **common),
        "doser": spec_of("quantos").build(
            Parts("doser-1", "/dev/none", {"limits": {"mass": 2000.0}}, nothing, clock, NoTranscript(), bus)
        ),
        "mover": TextMover("mover-1", link=nothing, **common),
        "xrd": Aeris("xrd-1", link=nothing, transcript=nothing, results=nothing, programs_s={}, **common),
        "safety": SafetyIO("safety-1", module=nothing, poll_s=1.0, **common),
    }
    bus.close()


def verb(devices: dict[str, Any], device: str, name: str) -> Verb:
    return verbs_of(devices[device])[name]


def test_a_value_is_a_number_and_a_unit(devices: dict[str, Any]) -> None:
    setpoint = verb(devices, "furnace", "set-setpoint")
    assert setpoint.usage == "set-setpoint 400 degC"
    assert setpoint.arguments("400 degC") == {"degc": 400.0}
    assert setpoint.arguments("673.15 K")["degc"] == pytest.approx(400.0)


@pytest.mark.parametrize("text", ["400", "400 mg", "warm", "", None, "nan degC"])
def test_a_value_without_its_unit_is_refused_with_how_to_write_it(devices: dict[str, Any], text: str | None) -> None:
    with pytest.raises(SpokenError, match="degC"):
        verb(devices, "furnace", "set-setpoint").arguments(text)


def test_several_values_are_named(devices: dict[str, Any]) -> None:
    dose = verb(devices, "doser", "dose")
    assert dose.usage == "dose mass=100 mg tolerance=100 mg sample_id=NAME lot=NAME"
    assert dose.arguments("mass=0.1 g tolerance = 1 mg  sample_id=S 1") == {
        "mass_mg": 100.0,
        "tolerance_mg": 1.0,
        "sample_id": "S 1",
    }


def test_numbers_words_and_switches_are_read_for_what_they_are(devices: dict[str, Any]) -> None:
    assert verb(devices, "mover", "head").arguments("doser=doser-1 number=2") == {"doser": "doser-1", "number": 2}
    door = verb(devices, "mover", "door")
    assert door.arguments("furnace=furnace-1 open=yes") == {"furnace": "furnace-1", "open": True}
    assert door.arguments("furnace=furnace-1 open=Off")["open"] is False
    with pytest.raises(SpokenError, match="open is 'maybe', and must be written like yes"):
        door.arguments("furnace=furnace-1 open=maybe")
    with pytest.raises(SpokenError, match="number is 'two', and must be written like 1"):
        verb(devices, "mover", "head").arguments("doser=doser-1 number=two")


def test_what_may_be_left_out_may_be_left_out(devices: dict[str, Any]) -> None:
    pour = verb(devices, "mover", "pour")
    assert pour.arguments("from_position=vials/1 to_position=crucibles/1") == {
        "from_position": "vials/1",
        "to_position": "crucibles/1",
    }
    assert pour.arguments("from_position=a/1 to_position=b/1 mass=80 mg")["mass_mg"] == 80.0


def test_what_is_missing_or_unknown_is_told_with_the_whole_command(devices: dict[str, Any]) -> None:
    move = verb(devices, "mover", "move")
    with pytest.raises(SpokenError, match="move needs to_position: write move from_position=NAME to_position=NAME"):
        move.arguments("from_position=vials/1")
    with pytest.raises(SpokenError, match="move has no 'speed': write move from_position=NAME"):
        move.arguments("from_position=a/1 to_position=b/1 speed=2")
    with pytest.raises(SpokenError, match="move came with 'a/1 b/1': write"):
        move.arguments("a/1 b/1")


def test_a_verb_without_values_takes_none(devices: dict[str, Any]) -> None:
    reset = verb(devices, "furnace", "reset-program")
    assert (reset.usage, reset.arguments(None)) == ("reset-program", {})
    with pytest.raises(SpokenError, match="reset-program came with 'now': write reset-program"):
        reset.arguments("now")


@pytest.mark.parametrize(
    ("device", "offered", "not_offered"),
    [
        (
            "furnace",
            {"set-setpoint", "reset-program", "hold-program", "continue-program"},
            {"run-program", "wait-cooled"},
        ),
        ("doser", {"dose", "tare", "open-door", "stop-dosing"}, {"head-info"}),
        ("mover", {"move", "pour", "mix", "door", "stop"}, {"look-at"}),
        ("xrd", {"measure", "remove"}, set()),
        ("safety", {"close-contactor", "open-contactor"}, {"scan"}),
    ],
)
def test_what_acts_and_can_be_written_in_a_line_is_offered(
    devices: dict[str, Any], device: str, offered: set[str], not_offered: set[str]
) -> None:
    verbs = set(verbs_of(devices[device]))
    assert offered <= verbs
    assert not not_offered & verbs


def test_something_that_has_no_verbs_is_offered_nothing() -> None:
    assert verbs_of(object()) == {}
