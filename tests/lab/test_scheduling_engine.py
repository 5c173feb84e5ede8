from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
import pytest
from bluesky.utils import FailedStatus, Msg

from drivers.clock import JumpClock
from drivers.gate import DriverError
from lab.scheduling.engine import TaskEngine
from tests.lab.bench import Device, Told

Plan = Generator[Msg, Any, Any]
Document = tuple[str, float | None]


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock(0.0)


@pytest.fixture
def documents() -> list[Document]:
    return []


@pytest.fixture
def make_engine(clock: JumpClock, documents: list[Document]) -> Iterator[Callable[[], TaskEngine]]:
    made: list[TaskEngine] = []

    def note(name: str, document: Mapping[str, Any]) -> None:
        documents.append((name, document.get("time")))

    def make() -> TaskEngine:
        made.append(TaskEngine(clock, note))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def engine(make_engine: Callable[[], TaskEngine]) -> TaskEngine:
    return make_engine()


@pytest.fixture
def device(clock: JumpClock) -> Device:
    return Device("furnace-1", clock, [], takes_s={"slow": 3600.0, "fast": 60.0})


def run(engine: TaskEngine, plan: Plan) -> Any:
    return engine.run(plan, actor="auto", holder="sample-001/fire", metadata={})


def test_a_plan_gives_its_result_and_waits_in_lab_time(clock: JumpClock, engine: TaskEngine, device: Device) -> None:
    def plan() -> Plan:
        yield from bps.abs_set(device, "slow", wait=True)
        return clock.now()

    assert run(engine, plan()) == 3600.0


def test_actions_of_one_group_run_beside_each_other(clock: JumpClock, engine: TaskEngine, device: Device) -> None:
    def plan() -> Plan:
        yield from bps.abs_set(device, "slow", group="both")
        yield from bps.abs_set(device, "fast", group="both")
        yield from bps.wait("both")

    run(engine, plan())
    assert clock.now() == 3600.0


def test_sleep_until_is_absolute(clock: JumpClock, engine: TaskEngine, device: Device) -> None:
    times: list[float] = []

    def plan() -> Plan:
        yield Msg("sleep_until", None, 500.0)
        times.append(clock.now())
        yield from bps.abs_set(device, "fast", wait=True)
        yield Msg("sleep_until", None, 600.0)
        times.append(clock.now())
        yield Msg("sleep_until", None, 100.0)
        times.append(clock.now())

    run(engine, plan())
    assert times == [500.0, 600.0, 600.0]


def test_a_failed_action_raises_with_its_cause_after_the_cleanup(
    clock: JumpClock, engine: TaskEngine, device: Device
) -> None:
    device.fails["slow"] = DriverError("furnace-1: the sensor broke")

    def plan() -> Plan:
        heating = bps.abs_set(device, "slow", wait=True)
        yield from bpp.finalize_wrapper(heating, lambda: bps.abs_set(device, "reset", wait=True))

    with pytest.raises(FailedStatus) as caught:
        run(engine, plan())
    assert str(caught.value.__cause__) == "furnace-1: the sensor broke"
    assert [(told.t_s, told.verb) for told in device.told] == [(0.0, "slow"), (3600.0, "reset")]
    assert clock.now() == 3601.0


def test_a_refusal_raises_itself_after_the_cleanup(engine: TaskEngine, device: Device) -> None:
    device.refuses["slow"] = DriverError("furnace-1: denied")

    def plan() -> Plan:
        heating = bps.abs_set(device, "slow", wait=True)
        yield from bpp.finalize_wrapper(heating, lambda: bps.abs_set(device, "reset", wait=True))

    with pytest.raises(DriverError, match="denied"):
        run(engine, plan())
    assert [told.verb for told in device.told] == ["slow", "reset"]


def test_an_engine_works_on_after_a_failure(engine: TaskEngine, device: Device) -> None:
    def plan(verb: str) -> Plan:
        yield from bps.abs_set(device, verb, wait=True)
        return verb

    device.fails["slow"] = DriverError("furnace-1: broke")
    with pytest.raises(FailedStatus):
        run(engine, plan("slow"))
    assert run(engine, plan("fast")) == "fast"


def test_commands_carry_actor_and_lease_of_the_task(engine: TaskEngine, device: Device) -> None:
    def plan() -> Plan:
        yield from bps.abs_set(device, "fast", wait=True)

    engine.run(plan(), actor="auto", holder="sample-001/fire 1", metadata={})
    engine.run(plan(), actor="ada", holder="by hand", metadata={})
    assert [(told.actor, told.lease) for told in device.told] == [("auto", "sample-001/fire 1"), ("ada", "by hand")]


def test_documents_are_stamped_with_lab_time(
    clock: JumpClock, engine: TaskEngine, device: Device, documents: list[Document]
) -> None:
    def plan() -> Plan:
        yield from bps.open_run({})
        yield from bps.abs_set(device, "slow", wait=True)
        yield from bps.create("furnace")
        yield from bps.read(device)
        yield from bps.save()
        yield from bps.close_run()

    run(engine, plan())
    assert documents == [("start", 0.0), ("descriptor", 3600.0), ("event", 3600.0), ("stop", 3600.0)]


def interleaved() -> tuple[list[tuple[float, str, str]], list[Document], float]:
    """Two engines in tasks of one clock, each with short and long actions; what came in which order."""
    clock, told, documents = JumpClock(0.0), list[Told](), list[Document]()

    def note(name: str, document: Mapping[str, Any]) -> None:
        documents.append((name, document.get("time")))

    def plan(device: Device, every_s: float) -> Plan:
        yield from bps.open_run({})
        for i in range(4):
            yield from bps.abs_set(device, "fast", wait=True)
            yield Msg("sleep_until", None, (i + 1) * every_s)
        yield from bps.close_run()

    def worker(name: str, every_s: float) -> Callable[[], None]:
        def work() -> None:
            engine = TaskEngine(clock, note)
            run(engine, plan(Device(name, clock, told, takes_s={"fast": 60.0}), every_s))
            engine.close()

        return work

    tasks = [clock.start(name, worker(name, every_s)) for name, every_s in (("a", 300.0), ("b", 200.0))]
    for task in tasks:
        task.join()
    return [(t.t_s, t.device, t.verb) for t in told], documents, clock.now()


def test_two_engines_interleave_in_lab_time_and_the_same_way_each_time() -> None:
    told, documents, end_s = interleaved()
    assert told == [
        (0.0, "a", "fast"),
        (0.0, "b", "fast"),
        (200.0, "b", "fast"),
        (300.0, "a", "fast"),
        (400.0, "b", "fast"),
        (600.0, "a", "fast"),
        (600.0, "b", "fast"),
        (900.0, "a", "fast"),
    ]
    assert end_s == 1200.0
    assert [name for name, _ in documents] == ["start", "start", "stop", "stop"]
    for _ in range(3):
        assert interleaved() == (told, documents, end_s)


def test_closing_ends_the_engines_thread(clock: JumpClock) -> None:
    engine = TaskEngine(clock, lambda name, document: None)
    thread = engine._engine._th
    assert thread.is_alive()
    engine.close()
    assert not thread.is_alive()
