from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.registry import spec_of
from lab.safety.commands.judgement import SAFER
from lab.safety.interlocks.file import load_interlock_file
from lab.safety.interlocks.lint import Site, interlocks_of, linted, site_of
from protocols.documents import DocumentError
from tests.lab.conftest import LabFolder

FILE = """\
version: 1
signals:
  f1.over: {source: safety-1.ai1, unit: degC, range: "-20 degC .. 1350 degC"}
  f1.o2: {source: safety-1.ai2, unit: percent, range: "0 percent .. 30 percent"}
  f1.door: {source: safety-1.di1}
  f1.estop: {source: safety-1.di3}
  f1.limiter: {source: safety-1.di7}
  f1.reading: {source: furnace-1.reading, unit: degC, range: "-20 degC .. 1350 degC"}
  f1.robot: {source: mover-1.inside.furnace-1}
  f2.over: {source: safety-2.ai1, unit: degC, range: "-20 degC .. 1350 degC"}
  f2.door: {source: safety-2.di1}
  mill.dry: {source: mill-1.contents.dry}
outputs:
  f1.heater: {source: safety-1.do1, safe: open}
  f2.heater: {source: safety-2.do1, safe: open}
rules:
  - {id: F1-DOOR, kind: permissive, for: furnace-1.door.open, when: f1.over < 60 degC, guidance: wait}
  - {id: F2-DOOR, kind: permissive, for: furnace-2.door.open, when: f2.over < 60 degC, guidance: wait}
  - {id: F1-READY, kind: permissive, for: furnace-1.heat, when: f1.over < 1150 degC, guidance: look}
  - {id: F2-HEAT, kind: interlock, for: f2.heater, when: f2.door, guidance: close it}
  - {id: X, kind: trip, for: f1.heater, when: not f1.door, guidance: look}
"""
X = "kind: trip, for: f1.heater, when: not f1.door, guidance: look"
SITE = Site(
    drivers={
        "furnace-1": spec_of("eurotherm-3216p"),
        "furnace-2": spec_of("eurotherm-3216p"),
        "mover-1": spec_of("text-mover"),
        "doser-1": spec_of("quantos"),
        "safety-1": spec_of("safety-io"),
        "safety-2": spec_of("safety-io"),
    },
    furnaces={"furnace-1": "safety-1", "furnace-2": "safety-2"},
    modules=["safety-1", "safety-2"],
)


def faults(
    folder: Path, old: str = "version: 1", new: str = "version: 1", site: Site = SITE
) -> list[tuple[int | None, str]]:
    """What is found where one piece of the file is another; `#` marks the line that is meant."""
    assert FILE.count(old) == 1, old
    path = folder / "interlocks.yaml"
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    try:
        linted(load_interlock_file(path), site)
    except DocumentError as error:
        return [(fault.line, fault.message) for fault in error.faults if fault.file == str(path)]
    return []


def line_of(text: str) -> int:
    return FILE[: FILE.index(text)].count("\n") + 1


def test_a_file_that_fits_is_taken(tmp_path: Path) -> None:
    assert faults(tmp_path) == []


def test_the_packaged_interlocks_fit_the_packaged_lab(lab_folder: LabFolder) -> None:
    interlocks = interlocks_of(lab_folder.load())
    assert len(interlocks.permissives("furnace-1.door.open")) == 1
    for kind in ("trip", "interlock"):
        assert {"f1.heater", "f2.heater"} <= {rule.target for rule in interlocks.rules if rule.kind == kind}
    assert site_of(lab_folder.load()).furnaces == {"furnace-1": "safety-1", "furnace-2": "safety-2"}


def test_a_lab_whose_file_does_not_fit_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.write("interlocks.yaml", FILE.replace("safety-1.ai1", "safety-9.ai1"))
    with pytest.raises(DocumentError, match="the lab has no safety module 'safety-9': there are safety-1, safety-2"):
        interlocks_of(lab_folder.load())


def test_a_lab_without_interlocks_is_refused(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "interlocks: interlocks.yaml\n", "")
    with pytest.raises(DocumentError, match="interlocks: is missing"):
        lab_folder.load()


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "safety-1.ai2",
            "safety-9.ai2",
            "f1.o2: the lab has no safety module 'safety-9': there are safety-1, safety-2",
        ),
        ("safety-1.ai2", "furnace-1.ai2", "f1.o2: the lab has no safety module 'furnace-1'"),
        ("safety-1.ai2", "safety-1.oxygen", "f1.o2: safety-1 is a safety module, and has ai1 to ai8"),
        ("safety-1.ai2", "furnace-9.o2", "f1.o2: the lab has no device 'furnace-9': there are doser-1, furnace-1"),
        ("furnace-1.reading", "furnace-1.readng", "f1.reading: furnace-1 has no 'readng': did you mean 'reading'?"),
        ("furnace-1.reading", "furnace-1.contents.oil", "f1.reading: furnace-1 has no 'contents.oil'"),
        ("furnace-1.reading", "furnace-1.output", "f1.reading: output is in %, and the unit is degC: write %"),
        ("furnace-1.reading", "furnace-1.comm_ok", "f1.reading: comm_ok is a switch: take the unit out"),
        ("mover-1.inside.furnace-1", "furnace-1.reading", "f1.robot: reading is in degC, and the unit is None"),
        ("mover-1.inside.furnace-1", "mover-1.inside.furnace-9", "f1.robot: mover-1 has no 'inside.furnace-9'"),
        ("mill-1.contents.dry", "mill-1.comm_ok", "mill.dry: mill-1 has no 'comm_ok': there are contents.dry"),
        ("safety-2.do1", "safety-9.do1", "f2.heater: the lab has no safety module 'safety-9'"),
        ("safety-2.do1", "safety-1.do1", "f2.heater: is safety-1.do1, and so is f1.heater: keep one of them"),
        (
            "furnace-1.heat",
            "furnace-1.heating",
            "F1-READY: nothing asks for 'furnace-1.heating': did you mean 'furnace-1.heat'?",
        ),
        ("furnace-1.heat", "robot", "F1-READY: nothing asks for 'robot': there are doser-1.close-door, "),
        ("id: F2-DOOR", "id: F1-DOOR", "F1-DOOR: is the id of two rules: give each its own"),
        (
            X,
            "kind: hold, for: dozer-1, when: f1.door, guidance: wait",
            "X: no device is named 'dozer-1': did you mean 'doser-1'?",
        ),
        (
            "safety-1.ai2, unit: percent",
            "safety-1.ai2, quality: f1.robot, unit: percent",
            "f1.o2: depends on f1.robot of the lab service: name an own input",
        ),
    ],
)
def test_a_name_that_nothing_has_is_told_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    ((line, found),) = faults(tmp_path, old, new)
    assert message in found
    assert line == line_of(old)


def test_what_lint_says_that_the_lab_knows_is_what_it_gives() -> None:
    read = {"reading": "degC", "setpoint": "degC", "output": "%"}
    switches = ("comm_ok", "contents.oxidiser", "contents.organic", "contents.dry")
    assert SITE.channels("furnace-1") == read | dict.fromkeys(switches)
    assert set(SITE.channels("mover-1")) == {"comm_ok", "inside.furnace-1", "inside.furnace-2"}
    assert set(SITE.channels("mill-1")) == {"contents.oxidiser", "contents.organic", "contents.dry"}
    assert SITE.channels("nobody") == {}
    machines = {"mill-2": spec_of("text-mill"), "shaker-1": spec_of("text-shaker")}
    others = replace(SITE, drivers={**SITE.drivers, **machines})
    for name in machines:
        assert set(others.channels(name)) == {"comm_ok", "speed", *SITE.channels("mill-1")}
    robots = replace(SITE, drivers={**SITE.drivers, "robot-1": spec_of("ur-robot")})
    assert set(robots.channels("robot-1")) == set(SITE.channels("mover-1"))


@pytest.mark.parametrize(
    "target", ["furnace-1.run-program", "mover-1.mix", "doser-1.dose", "mill-1.load", "furnace-2.unload"]
)
def test_a_permissive_may_be_for_any_verb_that_is_asked_for(tmp_path: Path, target: str) -> None:
    rule = f"kind: permissive, for: {target}, when: mill.dry and f1.door, guidance: look"
    assert faults(tmp_path, X, rule) == []


def test_verbs_are_asked_for_under_their_names_at_the_gate_and_none_that_is_granted_whatever_holds() -> None:
    asked = {target.partition(".")[2] for target in SITE.targets}
    assert {"run-program", "dose", "door.open", "heat", "load", "rearm", "door-open", "door-close"} <= asked
    assert "door" not in asked
    assert not asked & SAFER


# ---------------------------------------------------------------- furnaces


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("when: f1.over < 60 degC", "when: f2.over < 60 degC"),
        ("when: f1.over < 1150 degC", "when: f2.door"),
        ("when: not f1.door", "when: not f2.door"),
    ],
)
def test_a_rule_that_reads_only_the_other_furnace_is_refused(tmp_path: Path, old: str, new: str) -> None:
    ((line, message),) = faults(tmp_path, old, new)
    assert line == line_of(old)
    assert "reads no input of safety-1, which watches furnace-1: there are f1.door, f1.estop" in message


@pytest.mark.parametrize("when", ["not f1.robot", "known(f1.heater)", "f1.reading < 1000 degC"])
def test_what_the_lab_knows_of_a_furnace_belongs_to_it(tmp_path: Path, when: str) -> None:
    assert faults(tmp_path, X, f"kind: interlock, for: f1.heater, when: '{when}', guidance: look") == []


def test_a_furnace_whose_door_no_rule_watches_is_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, "furnace-2.door.open", "furnace-2.heat")
    assert found == [(16, "no permissive for furnace-2.door.open: add one that asks for a cold furnace")]


def test_a_contactor_is_guarded_by_a_permissive_an_interlock_or_a_trip(tmp_path: Path) -> None:
    heat = "  - {id: F2-HEAT, kind: interlock, for: f2.heater, when: f2.door, guidance: close it}\n"
    assert faults(tmp_path, heat, heat.replace("interlock", "trip").replace("f2.door", "not f2.door")) == []
    assert faults(tmp_path, heat, heat.replace("interlock", "permissive").replace("f2.heater", "furnace-2.heat")) == []
    assert faults(tmp_path, heat, "") == [
        (
            16,
            "nothing guards the heat of furnace-2: add a permissive for furnace-2.heat, "
            "or an interlock or trip for its contactor safety-2.do1",
        )
    ]


def test_a_furnace_that_nobody_watches_may_have_permissives_and_needs_none(tmp_path: Path) -> None:
    site = replace(SITE, drivers={**SITE.drivers, "furnace-3": spec_of("eurotherm-2416")})
    assert faults(tmp_path, site=site) == []
    for target in ("furnace-3.heat", "furnace-3.door.open"):
        assert faults(tmp_path, X, f"kind: permissive, for: {target}, when: f1.door, guidance: look", site) == []


@pytest.mark.parametrize(
    "when",
    [
        "f1.over <= 60 degC",
        "f1.over < 60.1 degC",
        "f1.over < 600 degC",
        "not f1.over < 60 degC",
        "f1.over < 60 degC or f1.door",
        "f1.over < 50 degC or f1.over > 100 degC",
        "f1.over < 60 degC or f1.heater",
        "f1.door and f2.over < 60 degC",
        "f1.door",
        "1oo2(f1.over < 60 degC, f1.door)",
        "f1.reading < 60 degC",
    ],
)
def test_a_door_that_would_open_at_60_degc_or_above_is_refused(tmp_path: Path, when: str) -> None:
    ((line, message),) = faults(tmp_path, "when: f1.over < 60 degC", f'when: "{when}"')
    assert line == line_of("F1-DOOR")
    assert message == "F1-DOOR: furnace-1 would open at 60 degC: ask for less than 60 degC"


@pytest.mark.parametrize(
    "when",
    [
        "f1.over < 60 degC and f1.door",
        "f1.over < 50 degC and not f1.heater",
        "f1.over < 60 degC and f2.over < 60 degC",
        "f1.over < 320 K",
        "f1.over < 60 degC and f1.reading < 60 degC",
    ],
)
def test_a_door_that_asks_for_a_cold_furnace_is_taken(tmp_path: Path, when: str) -> None:
    assert faults(tmp_path, "when: f1.over < 60 degC", f'when: "{when}"') == []


def test_a_sensor_in_kelvin_is_judged_in_kelvin(tmp_path: Path) -> None:
    kelvin = FILE.replace("ai1, unit: degC", "ai1, unit: K")
    path = tmp_path / "interlocks.yaml"
    path.write_text(kelvin, encoding="utf-8")
    linted(load_interlock_file(path), SITE)
    path.write_text(kelvin.replace("f1.over < 60 degC", "f1.over < 334 K"), encoding="utf-8")
    with pytest.raises(DocumentError, match="would open at 60 degC"):
        linted(load_interlock_file(path), SITE)


def test_several_permissives_of_a_door_are_judged_together(tmp_path: Path) -> None:
    assert faults(tmp_path, X, "kind: permissive, for: furnace-1.door.open, when: f1.door, guidance: shut it") == []


# ---------------------------------------------------------------- trips, bypasses


@pytest.mark.parametrize("when", ["f1.robot and not f1.door", "f1.reading > f1.over", "not known(f1.robot)"])
def test_a_trip_uses_only_what_the_supervisor_reads_itself(tmp_path: Path, when: str) -> None:
    ((line, message),) = faults(tmp_path, X, f"kind: trip, for: f1.heater, when: '{when}', guidance: look")
    assert line == line_of("id: X")
    assert re.match(r"X: trips on f1\.(robot|reading) of the lab service, and a trip uses only what the super", message)
    assert message.endswith("make it an interlock")


def test_a_permissive_may_not_ask_for_what_takes_time_to_see(tmp_path: Path) -> None:
    when = "f1.over < 50 degC and rise(f1.over, 10 min) < 1 K"
    found = faults(tmp_path, X, f"kind: permissive, for: furnace-1.heat, when: '{when}', guidance: wait")
    assert [message for _, message in found if message.startswith("X: asks for a rise")]


@pytest.mark.parametrize(
    ("kind", "target", "when", "what"),
    [
        ("trip", "f1.heater", "f1.over > 1150 degC", "an independent temperature"),
        ("trip", "f1.heater", "f1.over < 0 degC", "an independent temperature"),
        ("trip", "f1.heater", "rise(f1.over, 60 s) > 20 K", "an independent temperature"),
        ("trip", "f1.heater", "f1.o2 < 18 percent and not f1.estop", "the emergency stop"),
        ("interlock", "f1.heater", "f1.limiter", "the over-temperature limiter"),
        ("trip", "f1.heater", "not known(f1.o2)", "whether an input can be believed"),
        ("permissive", "mover-1.mix", "f1.over < 300 degC", "an independent temperature"),
    ],
)
def test_what_nobody_may_bypass(tmp_path: Path, kind: str, target: str, when: str, what: str) -> None:
    rule = f"kind: {kind}, for: {target}, when: '{when}', guidance: look"
    assert faults(tmp_path, X, rule) == []
    ((line, message),) = faults(tmp_path, X, f"{rule}, bypassable: true")
    assert line == line_of("id: X")
    assert message == f"X: watches {what}, which nobody may bypass: take bypassable out"


@pytest.mark.parametrize(
    ("kind", "target", "when"),
    [
        ("trip", "f1.heater", "f1.o2 < 18 percent"),
        ("interlock", "f1.heater", "f1.reading < 1000 degC"),
        ("alarm", "hot", "f1.over > 1000 degC"),
    ],
)
def test_what_may_be_bypassed(tmp_path: Path, kind: str, target: str, when: str) -> None:
    rule = f"kind: {kind}, for: {target}, when: '{when}', guidance: look, bypassable: true"
    assert faults(tmp_path, X, rule) == []


# ---------------------------------------------------------------- rules that change nothing


@pytest.mark.parametrize(
    ("kind", "when", "message"),
    [
        (
            "trip",
            "f1.over > 1400 degC",
            "X: f1.over > 1400 degC is never true, for f1.over lies between -20 and 1350 degC",
        ),
        ("trip", "f1.over > 1350 degC", "f1.over > 1350 degC is never true"),
        ("trip", "f1.over >= -20 degC", "f1.over >= -20 degC is always true"),
        ("interlock", "f1.over < 1351 degC and f1.door", "f1.over < 1351 degC is always true"),
        ("interlock", "abs(f1.reading - f1.over) < 1400 K", "abs(f1.reading - f1.over) < 1400 K is always true"),
        ("interlock", "f1.reading < f1.over + 1371 K", "is always true, for f1.over lies"),
        ("trip", "rise(f1.over, 60 s) > 1400 K", "is never true"),
        ("trip", "f1.door and not f1.door", "X: is never true, whatever is read: compare what can change"),
        ("trip", "f1.door or not f1.door", "X: is always true, whatever is read"),
        ("trip", "f1.over > 100 degC and f1.over < 50 degC", "X: is never true"),
        ("interlock", "f1.over > 50 degC or f1.over < 100 degC", "X: is always true"),
        ("interlock", "not known(f1.over)", "X: is never true"),
        ("trip", "known(f1.over)", "X: is always true"),
    ],
)
def test_a_rule_that_can_never_change_anything_is_refused(tmp_path: Path, kind: str, when: str, message: str) -> None:
    ((line, found),) = faults(tmp_path, X, f"kind: {kind}, for: f1.heater, when: '{when}', guidance: look")
    assert line == line_of("id: X")
    assert message in found


@pytest.mark.parametrize(
    ("kind", "when"),
    [
        ("trip", "f1.over > 1349.9 degC"),
        ("trip", "not known(f1.over)"),
        ("interlock", "known(f1.over)"),
        ("interlock", "abs(f1.reading - f1.over) < 1300 K"),
        ("trip", "2oo3(f1.door, f1.estop, f1.limiter)"),
        ("trip", "f1.over > 100 degC and f1.over < 100.1 degC"),
        ("interlock", "f1.reading - f1.over < 5 K or f1.reading - f1.over > 4 K"),
    ],
)
def test_a_rule_that_can_change_something_is_taken(tmp_path: Path, kind: str, when: str) -> None:
    assert faults(tmp_path, X, f"kind: {kind}, for: f1.heater, when: '{when}', guidance: look") == []


@pytest.mark.parametrize(
    ("rule", "dead"),
    [
        ("kind: permissive, for: furnace-1.heat, when: f1.over < 1200 degC", "X"),
        ("kind: permissive, for: furnace-1.heat, when: f1.over < 1150 degC", "X"),
        ("kind: permissive, for: furnace-1.heat, when: f1.over < 1100 degC", "F1-READY"),
        ("kind: permissive, for: furnace-1.heat, when: f1.over < 1150 degC and f1.door", "F1-READY"),
        ("kind: interlock, for: f2.heater, when: f2.door or f2.over < 60 degC", "X"),
        ("kind: interlock, for: f2.heater, when: f2.door, after: 5 s", "X"),
        ("kind: interlock, for: f2.heater, when: f2.door or not known(f2.over)", "X"),
    ],
)
def test_a_rule_beside_which_another_one_changes_nothing_makes_that_one_a_fault(
    tmp_path: Path, rule: str, dead: str
) -> None:
    ((line, message),) = faults(tmp_path, X, f"{rule}, guidance: look")
    other = ({"X", "F1-READY"} if "furnace-1" in rule else {"X", "F2-HEAT"}) - {dead}
    assert line == line_of(f"id: {dead}")
    assert message == f"{dead}: changes nothing, for {other.pop()} acts whenever it does: take one of them out"


@pytest.mark.parametrize(
    "rule",
    [
        "kind: permissive, for: furnace-1.heat, when: f1.door",
        "kind: permissive, for: furnace-2.heat, when: f2.over < 1150 degC",
        "kind: trip, for: f2.heater, when: not f2.door",
        "kind: alarm, for: again, when: not f1.door",
    ],
)
def test_rules_that_act_at_other_times_or_otherwise_stand_side_by_side(tmp_path: Path, rule: str) -> None:
    assert faults(tmp_path, X, f"{rule}, guidance: look") == []
