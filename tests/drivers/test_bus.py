"""The thread that serves the devices of one port."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from drivers.bus import Bus, Job
from drivers.clock import JUMP_EPOCH_S, ClockStalledError, JumpClock
from drivers.errors import DriverError
from drivers.status import ActionStatus
from tests.drivers.fakes import end_of


class Ticking:
    """A device that is to be polled in a rhythm."""

    def __init__(self, clock: JumpClock, name: str = "d", period_s: float = 10.0) -> None:
        self.name, self.period_s = name, period_s
        self.clock = clock
        self.polled_s: list[float] = []

    def poll(self) -> float:
        self.polled_s.append(self.clock.now() - JUMP_EPOCH_S)
        return self.clock.now() + self.period_s


class OpenPort:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def begin(bus: Bus, job: Job, device: str = "d") -> ActionStatus:
    status = ActionStatus(device, "work")
    bus.run(device, job, status)
    return status


def test_a_device_is_polled_when_it_asked_for(clock: JumpClock, bus: Bus) -> None:
    device = Ticking(clock)
    bus.add(device)
    clock.sleep_until(JUMP_EPOCH_S + 25)
    assert device.polled_s == [0, 10, 20]


def test_a_job_goes_on_at_the_times_that_it_yields(clock: JumpClock, bus: Bus) -> None:
    seen: list[float] = []

    def job() -> Job:
        for _ in range(3):
            seen.append(clock.now() - JUMP_EPOCH_S)
            yield clock.now() + 5

    status = begin(bus, job())
    assert end_of(clock, status) is None
    assert seen == [0, 5, 10]
    assert clock.now() == JUMP_EPOCH_S + 15


def test_a_job_that_yields_nothing_goes_on_after_the_next_poll_of_its_device(clock: JumpClock, bus: Bus) -> None:
    mine, other = Ticking(clock, "mine", 30.0), Ticking(clock, "other", 1.0)
    bus.add(mine)
    bus.add(other)
    clock.sleep_until(JUMP_EPOCH_S + 12)

    def job() -> Job:
        yield None

    end_of(clock, begin(bus, job(), "mine"))
    assert clock.now() == JUMP_EPOCH_S + 30


def test_a_job_can_have_its_device_polled_at_once(clock: JumpClock, bus: Bus) -> None:
    device = Ticking(clock, period_s=60.0)
    bus.add(device)
    clock.sleep_until(JUMP_EPOCH_S + 12)

    def job() -> Job:
        bus.poll_now("d")
        yield None

    end_of(clock, begin(bus, job()))
    assert device.polled_s == [0, 12]


def test_jobs_of_several_devices_take_turns(clock: JumpClock, bus: Bus) -> None:
    order: list[str] = []

    def job(name: str) -> Job:
        for step in range(2):
            order.append(f"{name}{step}")
            yield clock.now() + 1

    statuses = [begin(bus, job(name), name) for name in "ab"]
    for status in statuses:
        end_of(clock, status)
    assert order == ["a0", "b0", "a1", "b1"]


def test_a_driver_error_fails_the_action_and_the_bus_lives_on(clock: JumpClock, bus: Bus) -> None:
    def broken() -> Job:
        yield clock.now() + 1
        raise DriverError("d: no")

    def fine() -> Job:
        yield clock.now() + 1

    assert str(end_of(clock, begin(bus, broken()))) == "d: no"
    assert end_of(clock, begin(bus, fine())) is None


def test_hastening_ends_every_wait_of_the_device(clock: JumpClock, bus: Bus) -> None:
    def job() -> Job:
        yield clock.now() + 1000

    status = begin(bus, job())
    clock.sleep_until(JUMP_EPOCH_S + 3)
    bus.hasten("d")
    assert end_of(clock, status) is None
    assert clock.now() == JUMP_EPOCH_S + 3


def test_what_is_asked_for_does_not_wait_for_every_poll_that_is_due(clock: JumpClock, bus: Bus) -> None:
    order: list[str] = []

    def stop() -> Job:
        order.append("stop")
        yield from ()

    statuses: list[ActionStatus] = []

    class Slow(Ticking):
        def poll(self) -> float:
            order.append(self.name)
            if not statuses:
                statuses.append(begin(bus, stop(), "c"))
            return super().poll()

    for name in "abc":
        bus.add(Slow(clock, name))
    clock.sleep_until(JUMP_EPOCH_S + 1)
    assert order == ["a", "stop", "b", "c"]


def test_how_late_a_look_is_can_be_asked(clock: JumpClock, bus: Bus) -> None:
    assert bus.late_s("d") == 0.0
    bus.add(Ticking(clock))
    clock.sleep_until(JUMP_EPOCH_S + 4)
    assert bus.late_s("d") == -6.0
    bus.close()
    clock.sleep_until(JUMP_EPOCH_S + 70)
    assert bus.late_s("d") == 60.0


def test_a_call_gives_its_result_or_its_error(clock: JumpClock, bus: Bus) -> None:
    threads: list[str] = []

    def ask() -> int:
        threads.append(threading.current_thread().name)
        return 42

    def fail() -> int:
        raise DriverError("d: gone")

    assert bus.call("d", ask) == 42
    assert threads == ["bus test"]
    with pytest.raises(DriverError, match="d: gone"):
        bus.call("d", fail)


def test_buses_that_are_asked_first_and_waited_for_then_work_at_once(clock: JumpClock, bus: Bus) -> None:
    other = Bus("other", clock)
    asked = [each.ask("d", clock.now) for each in (bus, other)]
    assert [one.result() for one in asked] == [JUMP_EPOCH_S] * 2
    other.close()
    with pytest.raises(DriverError, match="d: call came after bus other was closed"):
        other.ask("d", clock.now).result()


def test_a_bus_that_is_held_does_first_what_it_was_asked_until_it_begins(clock: JumpClock) -> None:
    held, order = Bus("held", clock, held=True), list[str]()

    class Slow(Ticking):
        def poll(self) -> float:
            order.append("poll")
            return super().poll()

    held.add(Slow(clock))
    asked = [held.ask("d", lambda name=name: order.append(name)) for name in "ab"]  # type: ignore[misc]
    clock.sleep_until(JUMP_EPOCH_S + 5)
    assert order == []
    held.begin()
    for one in asked:
        one.result()
    clock.sleep_until(JUMP_EPOCH_S + 6)
    assert order == ["a", "b", "poll"]
    held.close()


def test_a_held_bus_that_never_began_is_closed_like_any_other(clock: JumpClock) -> None:
    held = Bus("held", clock, held=True)
    port, asked = held.port("/dev/ttyS0", OpenPort), held.ask("d", clock.now)
    held.close()
    assert port.closed == 1
    with pytest.raises(DriverError, match="d: bus held ended before call did"):
        asked.result()


def test_a_bus_that_is_to_end_begins_nothing_more(clock: JumpClock, bus: Bus) -> None:
    order: list[str] = []

    def first() -> Job:
        order.append("first")
        bus.end()
        yield from ()

    def second() -> Job:
        order.append("second")
        yield from ()

    statuses = [begin(bus, first()), begin(bus, second())]
    clock.sleep_until(JUMP_EPOCH_S + 1)
    assert order == ["first"]
    assert statuses[0].success
    assert str(statuses[1].exception()) == "d: bus test ended before work did"


def test_a_thread_without_a_turn_may_start_a_job(clock: JumpClock, bus: Bus) -> None:
    def job() -> Job:
        yield clock.now() + 1

    statuses: list[ActionStatus] = []
    thread = threading.Thread(target=lambda: statuses.append(begin(bus, job())))
    thread.start()
    thread.join()
    assert end_of(clock, statuses[0]) is None


def test_a_port_is_opened_once_and_closed_with_the_bus(clock: JumpClock) -> None:
    bus = Bus("test", clock)
    port = bus.port("/dev/ttyS0", OpenPort)
    assert bus.port("/dev/ttyS0", OpenPort) is port
    assert bus.port("/dev/ttyS1", OpenPort) is not port
    bus.close()
    assert port.closed == 1


def test_closing_fails_what_is_under_way_at_once(clock: JumpClock) -> None:
    bus = Bus("test", clock)
    cleaned: list[bool] = []

    def job() -> Job:
        try:
            yield clock.now() + 1e6
        finally:
            cleaned.append(True)

    status = begin(bus, job())
    clock.sleep_until(clock.now() + 1)
    bus.close()
    assert str(status.exception()) == "d: bus test ended before work did"
    assert cleaned == [True]
    assert clock.now() == JUMP_EPOCH_S + 1


def test_a_closed_bus_takes_no_job(clock: JumpClock) -> None:
    def nothing() -> Job:
        yield from ()

    bus = Bus("test", clock)
    bus.close()
    with pytest.raises(DriverError, match="d: work came after bus test was closed"):
        begin(bus, nothing())


def test_a_defect_in_a_job_leaves_nobody_waiting(clock: JumpClock, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)

    def defect() -> Job:
        yield clock.now() + 1
        raise ZeroDivisionError

    def patient() -> Job:
        yield clock.now() + 100

    waiting = begin(bus, patient())
    error = end_of(clock, begin(bus, defect()))
    assert str(error).startswith("d: bus test ended before work did: it was ended by a defect (ZeroDivisionError())")
    assert isinstance(end_of(clock, waiting), DriverError)
    clock.sleep_until(clock.now() + 1)
    assert shown[0].exc_type is ZeroDivisionError


def test_a_defect_in_a_poll_is_named_to_whoever_comes_later(
    clock: JumpClock, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poll() -> float:
        raise ValueError("negative decimals")

    def nothing() -> Job:
        yield from ()

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    device = Ticking(clock)
    assert bus.ended is None
    device.poll = poll  # type: ignore[method-assign]
    bus.add(device)
    clock.sleep_until(clock.now() + 1)
    assert isinstance(bus.ended, ValueError)
    said = r"d: work came after bus test was ended by a defect \(ValueError\('negative decimals'\)\): restart"
    with pytest.raises(DriverError, match=said):
        begin(bus, nothing())
    with pytest.raises(DriverError, match="negative decimals"):
        bus.call("d", lambda: 42)


def test_a_bus_that_was_closed_has_no_defect(clock: JumpClock) -> None:
    bus = Bus("test", clock)
    bus.add(Ticking(clock))
    clock.sleep_until(clock.now() + 1)
    bus.close()
    assert bus.ended is None


def test_a_stalled_clock_fails_what_a_bus_is_at(clock: JumpClock) -> None:
    def patient() -> Job:
        yield None

    bus = Bus("test", clock)
    status, told = begin(bus, patient()), threading.Event()
    status.add_callback(lambda _: told.set())
    with pytest.raises(ClockStalledError, match=r"\(main, bus test\)"):
        clock.event().wait()
    assert told.wait(2.0)
    assert isinstance(bus.ended, ClockStalledError)
    assert "ended before work did" in str(status.exception())


def test_equal_runs_poll_in_equal_order() -> None:
    def run(names: str) -> list[tuple[str, float]]:
        clock = JumpClock()
        seen: list[tuple[str, float]] = []

        def noting(device: Ticking) -> Callable[[], float]:
            def poll() -> float:
                seen.append((device.name, clock.now()))
                return clock.now() + device.period_s

            return poll

        buses = []
        for name in names:
            device = Ticking(clock, name, 7.0 if name == "a" else 3.5)
            device.poll = noting(device)  # type: ignore[method-assign]
            buses.append(Bus(name, clock))
            buses[-1].add(device)
        clock.sleep_until(clock.now() + 100)
        for bus in buses:
            bus.close()
        return seen

    assert run("abc") == run("cab")
