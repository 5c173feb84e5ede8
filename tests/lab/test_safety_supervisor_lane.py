"""One connection, one thing after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from drivers.errors import LinkError, RefusedError
from lab.safety.supervisor.lane import Lane
from lab.safety.supervisor.wire import SafetyWire
from tests.lab.guarded import MemoryModule


@pytest.fixture
def module() -> MemoryModule:
    return MemoryModule()


@pytest.fixture
def lane(module: MemoryModule) -> Iterator[Lane]:
    lane = Lane(module.wire())
    yield lane
    module.hanging.set()
    lane.close()


def test_what_a_job_gives_is_what_the_future_gives(lane: Lane, module: MemoryModule) -> None:
    module.coils[2] = True
    assert lane.submit(lambda wire: wire.output(2)).result(1.0) is True


def test_urgent_jobs_overtake_those_that_wait(lane: Lane) -> None:
    order: list[str] = []
    busy, free = threading.Event(), threading.Event()

    def block(_: SafetyWire) -> None:
        busy.set()
        free.wait(1.0)

    lane.submit(block)
    assert busy.wait(1.0)
    last = lane.submit(lambda _: order.append("usual"))
    lane.submit(lambda _: order.append("first urgent"), urgent=True)
    lane.submit(lambda _: order.append("second urgent"), urgent=True)
    free.set()
    last.result(1.0)
    assert order == ["first urgent", "second urgent", "usual"]


def test_a_silent_module_fails_the_job_and_not_the_lane(lane: Lane, module: MemoryModule) -> None:
    module.silent = True
    assert isinstance(lane.submit(lambda wire: wire.output(0)).exception(1.0), LinkError)
    module.silent = False
    assert lane.submit(lambda wire: wire.output(0)).result(1.0) is False


def test_a_refusal_is_the_futures_exception(lane: Lane, module: MemoryModule) -> None:
    module.expire()
    future = lane.submit(lambda wire: wire.set_output(0, closed=True))
    assert isinstance(future.exception(1.0), RefusedError)


def test_a_stream_that_was_reset_is_closed_and_counts_as_silence(module: MemoryModule) -> None:
    wire = module.wire()
    closed = threading.Event()
    wire.close = closed.set  # type: ignore[method-assign]
    lane = Lane(wire)

    def reset(_: SafetyWire) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    assert "connection broke" in str(lane.submit(reset).exception(1.0))
    assert closed.is_set()
    lane.close()


@pytest.mark.parametrize("broken", [LinkError("safety-1: nobody answers"), ConnectionResetError(104, "reset")])
def test_what_may_be_done_twice_is_tried_once_more(module: MemoryModule, broken: Exception) -> None:
    lane = Lane(module.wire())
    failures = [broken]

    def work(_: SafetyWire) -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert lane.submit(work, again=True).result(1.0) == "done"
    failures += [broken, broken]
    assert isinstance(lane.submit(work, again=True).exception(1.0), LinkError)
    assert failures == []
    lane.close()


def test_an_idle_lane_that_is_kept_warm_looks_at_its_connection_by_itself(module: MemoryModule) -> None:
    seen = threading.Event()
    wire = module.wire()
    wire.output = lambda coil: seen.set() or False  # type: ignore[method-assign,func-returns-value]
    lane = Lane(wire, keep_warm_s=0.001)
    assert seen.wait(1.0)
    seen.clear()
    assert seen.wait(1.0)
    lane.close()


def test_a_lane_closes_after_what_waits_was_done(module: MemoryModule) -> None:
    lane = Lane(module.wire())
    future = lane.submit(lambda wire: wire.set_output(1, closed=True))
    lane.close()
    assert future.done()
    assert module.coils[1] is True
