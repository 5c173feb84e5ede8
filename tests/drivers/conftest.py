"""Clock, bus, gate and wires for the tests of drivers; no test may leave a thread or a descriptor behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import ophyd
import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock
from tests.drivers.fakes import Answer, FakeGate, FakePty, FakeSocket, Noted


@pytest.fixture(scope="session", autouse=True)
def _ophyd_threads() -> None:
    """Have ophyd start its own threads before anybody counts."""
    ophyd.Signal(name="first")


@pytest.fixture(autouse=True)
def _no_leaks(_ophyd_threads: None) -> Iterator[None]:
    """Fail a test that leaves a thread or a file descriptor behind."""
    threads, descriptors = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(2.0)
        assert not thread.is_alive(), f"{thread.name} was left behind"
    assert set(os.listdir("/proc/self/fd")) <= descriptors


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def gate(clock: JumpClock) -> FakeGate:
    return FakeGate(clock)


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def bus(clock: JumpClock) -> Iterator[Bus]:
    bus = Bus("test", clock)
    yield bus
    bus.close()


@pytest.fixture
def serve_pty(tmp_path: Path) -> Iterator[Callable[[Answer], FakePty]]:
    fakes: list[FakePty] = []

    def serve(answer: Answer) -> FakePty:
        fakes.append(FakePty(answer, tmp_path / f"tty{len(fakes)}"))
        return fakes[-1]

    yield serve
    for fake in fakes:
        fake.close()


@pytest.fixture
def serve_socket() -> Iterator[Callable[..., FakeSocket]]:
    fakes: list[FakeSocket] = []

    def serve(answer: Answer, *, close_after_reply: bool = False) -> FakeSocket:
        fakes.append(FakeSocket(answer, close_after_reply=close_after_reply))
        return fakes[-1]

    yield serve
    for fake in fakes:
        fake.close()
