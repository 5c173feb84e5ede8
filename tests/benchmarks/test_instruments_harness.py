"""The benchmark of instruments: it must see what it is there to see."""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.instruments import residuals
from benchmarks.instruments_harness.judging import Seen, judge, reasons
from benchmarks.instruments_harness.rig import Action, Measure, Rig, all_rigs
from benchmarks.instruments_harness.tally import LISTS, Act, Look, Tally, Wrong, distance, since
from benchmarks.instruments_harness.torment import torment
from drivers.devices.text_mill import TextMill
from drivers.instrument import Instrument
from drivers.registry import driver_names
from sim.relay.faults import Fault, Injection

LIMIT_S = 60.0


def injected(t_s: float, fault: Fault, detail: str = "") -> Injection:
    return Injection(t_s, t_s, "kiln-1", fault, detail)


def look(begun_s: float, ended_s: float, *, good: bool = True, shows: frozenset[Fault] = frozenset()) -> Look:
    return Look(begun_s, begun_s, ended_s, ended_s, good=good, asked=True, shows=shows)


def act(begun_s: float, ended_s: float, **more: Any) -> Act:
    return Act(begun_s, begun_s, ended_s, ended_s, verb="dose", good=True, **more)


def wrong(value: float | str, t_s: float, **more: Any) -> Wrong:
    kept = {"since_s": t_s - 1.0, "until_s": t_s, "off": math.inf, "before": None, "true": ("20.0",), **more}
    return Wrong("reading", value, t_s, **kept)


def judged(history: list[Injection], *, rig: Rig | None = None, **seen: list[Any]) -> dict[str, int]:
    """What is counted, by name, where anything is."""
    tally, watched = Tally(), Seen()
    for name, entries in seen.items():
        getattr(watched, name).extend(entries)
    rig = rig or Rig("any", measures={"reading": Measure(1.0, 0.0, 1000.0, 2.0, 5.0)})
    judge(tally, rig, history, LIMIT_S, watched)
    return {name: len(getattr(tally, name)) for name in LISTS if getattr(tally, name)}


def test_every_driver_has_a_rig() -> None:
    assert set(all_rigs()) == set(driver_names())


def test_every_driver_that_publishes_or_acts_is_held_against_something() -> None:
    for rig in all_rigs().values():
        assert rig.measures or rig.spoils, rig.driver
        assert any(action.done or action.check for action in rig.actions), rig.driver


# ---------------------------------------------------------------- histories that are bad on purpose


def test_what_was_done_twice_or_not_at_all_or_not_so_is_counted() -> None:
    assert judged([], acts=[act(0.0, 1.0, done=1)]) == {}
    assert judged([], acts=[act(0.0, 1.0, done=2)]) == {"repeated": 1}
    assert judged([], acts=[act(0.0, 1.0, done=0)]) == {"claimed": 1}
    assert judged([], acts=[act(0.0, 1.0, amiss="and the door is closed")]) == {"claimed": 1}


def test_what_the_instrument_lied_about_or_lost_is_no_claim_of_the_driver() -> None:
    stuck = [injected(0.5, Fault.STUCK), injected(3.0, Fault.STUCK, "over")]
    assert judged(stuck, acts=[act(1.0, 2.0, done=0)]) == {}
    assert judged([injected(1.5, Fault.POWER_CYCLE)], acts=[act(1.0, 2.0, amiss="and all is lost")]) == {}
    assert judged(stuck, acts=[act(4.0, 5.0, done=0)]) == {"claimed": 1}
    assert judged(stuck, acts=[act(1.0, 2.0, done=2)]) == {"repeated": 1}


def test_nothing_is_good_while_another_instrument_is_there() -> None:
    history = [injected(1.0, Fault.OTHER_DEVICE), injected(5.0, Fault.OTHER_DEVICE, "over")]
    assert judged(history, looks=[look(2.0, 3.0)], acts=[act(2.0, 4.0)]) == {"strangers": 2}
    assert judged(history, looks=[look(2.0, 3.0, good=False), look(0.5, 2.0), look(4.0, 5.5)]) == {}
    busy = replace(look(2.0, 3.0), asked=False)
    assert judged(history, looks=[busy]) == {}


def test_a_fault_that_no_look_follows_in_time_or_shows_is_unseen() -> None:
    broken = [injected(1.0, Fault.SENSOR_BREAK), injected(50.0, Fault.SENSOR_BREAK, "over")]
    rig = Rig("any", shows={Fault.SENSOR_BREAK: lambda device: True})
    shown = frozenset({Fault.SENSOR_BREAK})
    assert judged([injected(1.0, Fault.NO_REPLY)], looks=[look(90.0, 91.0)]) == {"unseen": 1}
    assert judged(broken, rig=rig, looks=[look(2.0, 3.0)]) == {"unseen": 1}
    assert judged(broken, rig=rig, looks=[look(2.0, 3.0), look(4.0, 5.0, shows=shown)]) == {}


def test_a_lasting_fault_ends_with_its_own_end() -> None:
    history = [
        injected(1.0, Fault.SENSOR_BREAK),
        injected(2.5, Fault.DEAD_CONNECTION, "over"),
        injected(9.0, Fault.SENSOR_BREAK, "over"),
    ]
    rig = Rig("any", shows={Fault.SENSOR_BREAK: lambda device: True})
    assert judged(history, rig=rig, looks=[look(3.0, 4.0)]) == {"unseen": 1}


def test_wrong_values_are_told_apart_by_what_should_have_kept_them_out() -> None:
    measure = Measure(1.0, 0.0, 1000.0, 2.0, 5.0)
    twice = [injected(9.2, Fault.PAYLOAD_CORRUPTION), injected(9.6, Fault.PAYLOAD_CORRUPTION)]
    assert list(reasons(measure, wrong(1400.0, 10.0), twice)) == ["outside"]
    assert list(reasons(measure, wrong(90.0, 10.0, before=(20.0, 8.0)), twice)) == ["too_fast"]
    assert list(reasons(measure, wrong(90.0, 10.0), twice[:1])) == ["unagreed"]
    assert list(reasons(measure, wrong(24.0, 10.0, off=4.0, before=(20.0, 8.0)), twice[:1])) == []
    assert list(reasons(Measure(), wrong("open", 10.0), twice)) == []
    assert list(reasons(Measure(), wrong("open", 10.0), [])) == ["unagreed"]


def test_a_wrong_value_is_excused_only_while_the_instrument_itself_says_it() -> None:
    stuck = [injected(1.0, Fault.STUCK), injected(20.0, Fault.STUCK, "over")]
    assert judged(stuck, wrong=[wrong(90.0, 10.0)]) == {}
    assert judged(stuck, wrong=[wrong(90.0, 400.0)]) == {"wrong": 1, "unagreed": 1}


def test_the_residual_is_what_passed_every_check_on_wires_without_a_checksum() -> None:
    plain = {"driver": "gas", "checked": False, "residual": 2, "values": 400, "faults": 1000}
    checked = {**plain, "driver": "kiln", "checked": True}
    nothing_measured = {**plain, "driver": "file-drop", "values": 0}
    rates = {"wrong values": 2, "for each fault": 0.002, "for each value": 0.005}
    found = residuals([plain, checked, nothing_measured])
    assert found == {"residual of gas": rates, "residual of all wires without a checksum": rates}


def test_what_two_answers_in_a_row_agree_on_is_residual() -> None:
    twice = [injected(9.2, Fault.PAYLOAD_CORRUPTION), injected(9.6, Fault.PAYLOAD_CORRUPTION)]
    assert judged(twice, wrong=[wrong(90.0, 10.0)]) == {"wrong": 1, "residual": 1}


def test_distance_is_that_to_what_was_true_meanwhile() -> None:
    assert distance(12.0, [10.0, 11.0]) == 1.0
    assert distance(12.0, [math.nan]) == math.inf
    assert distance("open", ["closed"]) == math.inf
    assert since([(1.0, {"a": 1.0}), (2.0, {"a": 2.0}), (3.0, {"a": 3.0})], 2.5) == [{"a": 3.0}, {"a": 2.0}]


# ---------------------------------------------------------------- drivers that are bad on purpose


@pytest.mark.system
@pytest.mark.parametrize("driver", ["text-mill", "safety-io"])
def test_a_driver_is_tormented_until_it_has_met_its_faults(driver: str) -> None:
    result = torment(all_rigs()[driver], links=2, faults=8, seed=3)
    assert result["faults"] >= 16
    assert result["looks"] > 0
    assert {name: result["examples"][name] for name in LISTS if result[name]} == {}


@pytest.mark.system
def test_what_is_done_more_often_than_asked_for_is_counted() -> None:
    # Each job notes its start and, when it is over, its end: both counted make two for each action.
    rig = replace(all_rigs()["text-mill"], actions=(Action("mill", "mill-2 .*"),))
    result = torment(rig, links=1, faults=6, seed=3)
    assert result["repeated"] > 0


@pytest.mark.system
def test_a_driver_that_tells_a_job_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    once = TextMill._run

    def twice(self: TextMill, *arguments: Any) -> Iterator[float | None]:
        yield from once(self, *arguments)
        yield from once(self, *arguments)

    monkeypatch.setattr(TextMill, "_run", twice)
    result = torment(all_rigs()["text-mill"], links=1, faults=6, seed=3)
    assert result["repeated"] > 0


@pytest.mark.system
def test_a_driver_that_does_nothing_and_says_that_it_did_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: TextMill, *_: Any) -> Iterator[float | None]:
        yield from ()

    monkeypatch.setattr(TextMill, "_run", nothing)
    result = torment(all_rigs()["text-mill"], links=1, faults=6, seed=3)
    assert result["claimed"] > 0


@pytest.mark.system
def test_a_value_that_is_not_true_is_counted() -> None:
    rig = replace(all_rigs()["eurotherm-3216p"], true=lambda simulation: {"reading_degc": 5000.0})
    result = torment(rig, links=1, faults=6, seed=3)
    assert result["wrong"] > 0


@pytest.mark.system
def test_a_driver_that_asks_nobody_who_he_is_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextMill, "_check_identity", lambda self: "text mill")
    rig = all_rigs()["text-mill"]
    rig = replace(rig, beyond={fault: "not now" for fault in Fault if fault is not Fault.OTHER_DEVICE})
    result = torment(rig, links=1, faults=4, seed=3)
    assert result["strangers"] > 0


@pytest.mark.system
def test_a_driver_that_reads_once_where_it_must_read_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.parts.text_motor.agreed", lambda ask, what, same=None: ask())
    rig = all_rigs()["text-mill"]
    rig = replace(rig, beyond={fault: "not now" for fault in Fault if fault is not Fault.PAYLOAD_CORRUPTION}, rate=0.3)
    result = torment(rig, links=1, faults=60, seed=3)
    assert result["unagreed"] > 0


def test_every_rig_is_of_a_device() -> None:
    # What is watched is what every device publishes with.
    assert hasattr(Instrument, "_publish")
