"""Plans that wait for people and rules, and go on."""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import pytest
from bluesky.utils import FailedStatus, Msg

from drivers.clock import JumpClock
from drivers.gate import DriverError
from lab.records.journal import read_journal
from lab.safety.commands.holds import CAMPAIGN, MANUAL, Holds
from lab.safety.commands.leases import LeaseBook, LeaseError, Mode
from lab.scheduling.engine import Standing, TaskEngine
from tests.lab.bench import Device, Told
from tests.lab.shop import Shop, recipe

Plan = Generator[Msg, Any, Any]
FIRING = "sample-001/fire 1"


def at(clock: JumpClock, t_s: float, what: Callable[[], object]) -> None:
    """Have somebody do something at a lab time."""

    def do() -> None:
        what()

    clock.call_at(t_s, do, "somebody")


class Bench:
    """One engine with leases and holds, a furnace and a mover."""

    def __init__(self) -> None:
        self.clock = JumpClock(0.0)
        self.rules: set[str] = set()
        self.holds = Holds(lambda: frozenset(self.rules))
        self.leases = LeaseBook(lambda: 0.0, wall=lambda: 0.0)
        self.engine = TaskEngine(self.clock, lambda name, document: None, self.holds, self.leases)
        self.told: list[Told] = []
        self.furnace = Device("furnace-1", self.clock, self.told, takes_s={"run-program": 3600.0})
        self.mover = Device("mover-1", self.clock, self.told)
        self.stood: list[tuple[float, Standing, str]] = []

    def run(self, plan: Plan) -> Any:
        return self.engine.run(
            plan,
            actor="auto",
            holder=FIRING,
            devices={"furnace-1", "mover-1"},
            keys={"sample-001", CAMPAIGN},
            on_standing=lambda standing, why: self.stood.append((self.clock.now(), standing, why)),
            metadata={},
        )

    def later(self, t_s: float, what: Callable[[], object]) -> None:
        at(self.clock, t_s, what)

    def release(self, key: str, source: str | None = "person") -> Callable[[], object]:
        return lambda: self.holds.release(key, source)

    def verbs(self) -> list[tuple[float, str]]:
        return [(told.t_s, told.verb) for told in self.told]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.engine.close()


def act(device: Device, verb: str, **arguments: Any) -> Plan:
    yield from bps.abs_set(device, verb, wait=True, **arguments)


def both(bench: Bench) -> Plan:
    yield from act(bench.mover, "move", from_position="vials/1", to_position="mill-1/1")
    yield from act(bench.furnace, "run-program")
    return "done"


@pytest.mark.parametrize("key", ["sample-001", CAMPAIGN, "mover-1", "mill-1"])
def test_a_plan_waits_before_what_it_would_do_and_goes_on_when_it_is_let(bench: Bench, key: str) -> None:
    bench.holds.hold(key, "held by ana")
    bench.later(5000.0, bench.release(key))
    assert bench.run(both(bench)) == "done"
    assert bench.verbs() == [(5000.0, "move"), (5001.0, "run-program")]
    assert bench.stood == [
        (0.0, Standing.HELD, "held by ana"),
        (5000.0, Standing.RESTARTING, ""),
        (5000.0, Standing.RUNNING, ""),
    ]


def test_what_is_under_way_goes_on_to_its_end(bench: Bench) -> None:
    def plan() -> Plan:
        yield from act(bench.furnace, "run-program")
        yield from act(bench.furnace, "cool")

    bench.later(10.0, lambda: bench.holds.hold("furnace-1", "held by ana"))
    bench.later(9000.0, bench.release("furnace-1"))
    bench.run(plan())
    assert bench.verbs() == [(0.0, "run-program"), (9000.0, "cool")]
    assert bench.stood[0] == (3600.0, Standing.HELD, "held by ana")


def test_a_held_plan_keeps_nobody_else_waiting(bench: Bench) -> None:
    bench.holds.hold("furnace-1", "held by ana")
    bench.later(5000.0, bench.release("furnace-1"))
    other = TaskEngine(bench.clock, lambda name, document: None, bench.holds, bench.leases)
    told: list[Told] = []

    def work() -> None:
        other.run(act(Device("xrd-1", bench.clock, told), "measure"), actor="auto", holder="b", metadata={})

    task = bench.clock.start("sample-002", work)
    bench.run(act(bench.furnace, "run-program"))
    task.join()
    other.close()
    assert [t.t_s for t in told] == [0.0]
    assert bench.verbs() == [(5000.0, "run-program")]


def test_a_plan_waits_while_a_rule_holds_its_device_and_looks_again_every_scan(bench: Bench) -> None:
    bench.rules.add("mover-1")
    bench.later(130.0, bench.rules.clear)
    bench.run(both(bench))
    assert bench.verbs() == [(180.0, "move"), (181.0, "run-program")]
    assert bench.stood[0][2] == "a rule holds recipes on mover-1"


def test_the_time_of_a_plan_stands_still_while_it_is_held(bench: Bench) -> None:
    def plan() -> Plan:
        deadline_s = bench.engine.now() + 600.0
        yield from act(bench.furnace, "cool")
        yield Msg("sleep_until", None, bench.engine.now() + 100.0)
        return deadline_s - bench.engine.now(), bench.clock.now()

    bench.holds.hold("furnace-1", "held by ana")
    bench.later(5000.0, bench.release("furnace-1"))
    left_s, end_s = bench.run(plan())
    assert (left_s, end_s) == (499.0, 5101.0)


def test_cleanup_waits_for_whoever_drives_by_hand(bench: Bench) -> None:
    def plan() -> Plan:
        yield from bpp.finalize_wrapper(act(bench.furnace, "run-program"), lambda: act(bench.furnace, "reset-program"))

    bench.furnace.fails["run-program"] = DriverError("furnace-1: its programme was ended by hand")
    bench.later(10.0, lambda: bench.holds.hold("furnace-1", "furnace-1 is driven by ana", MANUAL))
    bench.later(9000.0, bench.release("furnace-1", MANUAL))
    with pytest.raises(FailedStatus):
        bench.run(plan())
    assert bench.verbs() == [(0.0, "run-program"), (9000.0, "reset-program")]


def test_what_makes_things_safer_does_not_wait_for_a_hold(bench: Bench) -> None:
    for key in ("sample-001", CAMPAIGN, "furnace-1", "mover-1"):
        bench.holds.hold(key, "held by ana")
    bench.rules.add("furnace-1")

    bench.run(act(bench.furnace, "reset-program"))
    assert bench.verbs() == [(0.0, "reset-program")]


def test_a_cleanup_that_closes_a_door_waits_for_a_hold_as_any_motion_does(bench: Bench) -> None:
    def shut() -> Plan:
        yield from act(bench.mover, "door", furnace="furnace-1", open=False)

    bench.mover.fails["move"] = DriverError("mover-1: the gripper is empty")
    bench.later(0.5, lambda: bench.holds.hold("furnace-1", "held by ana"))
    bench.later(5000.0, bench.release("furnace-1"))
    with pytest.raises(FailedStatus):
        bench.run(bpp.finalize_wrapper(act(bench.mover, "move"), shut))
    assert bench.verbs() == [(0.0, "move"), (5000.0, "door")]


# ---------------------------------------------------------------- leases


def test_a_plan_has_the_lease_of_its_devices_while_it_runs_and_gives_it_back(bench: Bench) -> None:
    bench.run(both(bench))
    assert {told.lease for told in bench.told} == {f"{FIRING}#1"}
    assert bench.leases.all() == {}


def test_a_plan_that_was_taken_over_from_goes_on_with_a_lease_of_its_own(bench: Bench) -> None:
    def taken() -> None:
        bench.holds.hold("furnace-1", "furnace-1 is driven by ana", MANUAL)
        bench.leases.take("ana", Mode.MANUAL, {"furnace-1"})

    def plan() -> Plan:
        yield from act(bench.furnace, "run-program")
        yield from act(bench.furnace, "cool")
        yield from act(bench.furnace, "run-program")

    bench.later(10.0, taken)
    bench.later(8000.0, lambda: bench.leases.release("ana#2"))
    bench.later(9000.0, bench.release("furnace-1", MANUAL))
    bench.run(plan())
    assert [(told.t_s, told.lease) for told in bench.told] == [
        (0.0, f"{FIRING}#1"),
        (9000.0, f"{FIRING}#3"),
        (9001.0, f"{FIRING}#3"),
    ]


def test_a_plan_waits_for_a_person_who_has_its_device_without_a_hold(bench: Bench) -> None:
    ana = bench.leases.take("ana", Mode.MANUAL, {"furnace-1"})
    bench.later(130.0, lambda: bench.leases.release(ana.id))
    bench.run(both(bench))
    assert bench.verbs()[0] == (180.0, "move")
    assert bench.stood[0][2].startswith("furnace-1 is driven by ana (manual) since")


def test_two_tasks_that_want_one_device_are_a_defect_and_no_wait(bench: Bench) -> None:
    bench.leases.take("sample-002/load 1", Mode.AUTO, {"mover-1"})
    with pytest.raises(LeaseError, match="mover-1 is at work for sample-002/load 1"):
        bench.run(both(bench))
    assert bench.told == []


# ---------------------------------------------------------------- samples


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def test_a_held_sample_shows_why_and_goes_on_where_it_was(shop: Shop) -> None:
    shop.engine.holds.hold("furnace-1", "furnace-1 is driven by ana", MANUAL)
    at(shop.clock, 20_000.0, lambda: shop.engine.holds.release("furnace-1", MANUAL))
    record = shop.run(recipe())
    assert record.failure is None
    began = shop.stages.index("held: furnace-1 is driven by ana")
    assert shop.stages[began - 1 : began + 3] == [
        "load 1",
        "held: furnace-1 is driven by ana",
        "restarting load 1",
        "load 1",
    ]
    noted = [e for e in read_journal(shop.journal.path) if e["kind"] in {"held", "restarting"}]
    assert [(e["kind"], e["task"], e["reason"]) for e in noted] == [
        ("held", "load 1", "furnace-1 is driven by ana"),
        ("restarting", "load 1", ""),
    ]


def test_a_furnace_that_somebody_keeps_waiting_is_taken_where_no_other_is_free(shop: Shop) -> None:
    second = shop.device("furnace-2", {"run-program": 60.0, "wait-cooled": 60.0}, peak_degc=948.0)
    object.__setattr__(shop.bench, "furnaces", {**shop.bench.furnaces, "furnace-2": second})
    shop.engine.holds.hold("furnace-1", "furnace-1 is driven by ana", MANUAL)
    assert shop.run(recipe()).failure is None
    assert shop.verbs("furnace-1") == []
    assert "run-program" in shop.verbs("furnace-2")


def test_each_task_may_write_to_the_devices_of_its_stations_alone(shop: Shop) -> None:
    bench = shop.bench
    assert bench.written_by({"doser-1", "mover-1", "mill-1/1"}) == {"doser-1", "mover-1"}
    assert bench.written_by({"furnace-1"}) == {"furnace-1"}


def test_rules_know_what_is_in_the_mill_and_the_furnace_before_it_is_there(shop: Shop) -> None:
    seen: dict[str, list[tuple[Any, Any]]] = {}

    def note(verb: str, arguments: dict[str, Any]) -> None:
        places = [shop.bench.contents.of(place)["oxidiser"] for place in ("mill-1", "furnace-1")]
        seen.setdefault(verb, []).append((places[0], places[1]))

    shop.bench.contents._formulas.update({"BaCO3-lot7": "BaO2", "TiO2-lot3": "TiO2"})
    shop.mover.on_done = shop.furnace.on_done = note
    assert shop.run(recipe()).failure is None
    assert seen["mix"] == [(True, False)]
    assert seen["run-program"] == [(False, True)]
    assert seen["move"][-1] == (False, False)
