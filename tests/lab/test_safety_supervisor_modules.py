"""One module: looked at, opened, closed and toggled."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import pytest

from drivers.errors import DriverError, LinkError
from lab.safety.interlocks.rules import Output
from lab.safety.supervisor.modules import WatchedModule
from tests.lab.guarded import EXPIRED, F1, OUTPUTS, RUNNING, MemoryModule


@pytest.fixture
def hardware() -> MemoryModule:
    return MemoryModule()


@pytest.fixture
def module(hardware: MemoryModule) -> Iterator[WatchedModule]:
    watched = hardware.watched(OUTPUTS[F1], Output("f1.gas", "safety-1", "do3"))
    yield watched
    hardware.hanging.set()
    watched.close()


def look(module: WatchedModule) -> None:
    module.look().result(1.0)


def test_the_first_look_starts_the_watchdog_and_pets_nobody(module: WatchedModule, hardware: MemoryModule) -> None:
    look(module)
    assert hardware.timeouts == [10]
    assert hardware.words[2] == RUNNING
    assert hardware.pets == []
    look(module)
    assert hardware.timeouts == [10]


def test_a_watchdog_that_runs_already_is_left_alone(module: WatchedModule, hardware: MemoryModule) -> None:
    hardware.words[1:3] = [10, RUNNING]
    look(module)
    assert hardware.timeouts == []


def test_an_expired_watchdog_is_seen_and_not_revived(module: WatchedModule, hardware: MemoryModule) -> None:
    hardware.words[1:3] = [10, EXPIRED]
    look(module)
    assert module.expired
    assert hardware.words[2] == EXPIRED


def test_setting_the_watchdog_again_and_again_is_no_sign_of_life(module: WatchedModule, hardware: MemoryModule) -> None:
    look(module)
    for _ in range(5):
        hardware.words[1] = 99  # somebody else keeps changing it
        assert isinstance(module.look().exception(1.0), DriverError)
    assert hardware.timeouts == [10]
    assert "who else writes there" in str(module.error)


def test_a_module_that_was_switched_off_gets_its_watchdog_back(
    module: WatchedModule, hardware: MemoryModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(module)
    now_s = time.monotonic()
    hardware.words = [0] * 5
    monkeypatch.setattr("lab.safety.supervisor.modules.time.monotonic", lambda: now_s + 10.0)
    look(module)
    assert hardware.timeouts == [10, 10]


def test_channels_count_from_one_and_the_contactor_is_what_its_contact_says(
    module: WatchedModule, hardware: MemoryModule
) -> None:
    hardware.inputs[0], hardware.inputs[5] = False, True
    hardware.coils = [False, False, True, False]
    hardware.analogue[0], hardware.analogue[17] = 9001, 1
    look(module)
    values = {name: module.channel(name)[0] for name in ("di1", "di2", "do1", "do3", "ai1")}
    assert values == {"di1": False, "di2": True, "do1": True, "do3": True, "ai1": 900.1}
    second, age_s = module.channel("ai2")
    assert second is not None
    assert math.isnan(second)
    assert 0.0 <= age_s < 1.0


def test_what_was_never_read_is_unknown(module: WatchedModule) -> None:
    assert module.channel("di1") == (None, 0.0)
    assert module.sight is None
    assert module.to_json()["inputs"] is None


def test_a_silent_module_keeps_its_last_reading_and_says_what_is_wrong(
    module: WatchedModule, hardware: MemoryModule
) -> None:
    look(module)
    sight = module.sight
    hardware.silent = True
    assert isinstance(module.look().exception(1.0), LinkError)
    assert module.sight is sight
    assert module.channel("di1")[0] is True
    assert "nobody answers" in str(module.error)


def test_a_look_that_goes_on_is_not_begun_twice(module: WatchedModule, hardware: MemoryModule) -> None:
    hardware.hanging.clear()
    first = module.look()
    assert module.look() is first
    hardware.hanging.set()


def test_outputs_are_opened_over_both_lanes(module: WatchedModule, hardware: MemoryModule) -> None:
    told = module.open([F1, "f1.gas"])
    for futures in told.values():
        assert len(futures) == 2
        assert all(future.result(1.0) > 0 for future in futures)
    assert sorted(hardware.told) == [(0, False), (0, False), (2, False), (2, False)]


def test_a_serial_module_has_one_lane(hardware: MemoryModule) -> None:
    module = hardware.watched(OUTPUTS[F1], serial=True)
    assert len(module.open([F1])[F1]) == 1
    module.close()


def test_a_silent_module_is_not_told_more_often_than_it_can_hear(module: WatchedModule, hardware: MemoryModule) -> None:
    hardware.hanging.clear()
    for _ in range(50):
        futures = module.open([F1])[F1]
    hardware.hanging.set()
    for future in futures:
        future.result(1.0)
    assert len(hardware.told) <= 4


def test_a_hanging_look_does_not_keep_an_output_closed(module: WatchedModule, hardware: MemoryModule) -> None:
    reading, free = threading.Event(), threading.Event()
    hardware.coils[0] = True
    answer = hardware.answer

    def hang_for_the_reader() -> None:
        if not reading.is_set():
            reading.set()
            free.wait(5.0)
        answer()

    hardware.answer = hang_for_the_reader  # type: ignore[method-assign]
    module.look()
    assert reading.wait(1.0)
    opener, reader = module.open([F1])[F1]
    opener.result(1.0)
    assert hardware.coils[0] is False
    assert not reader.done()
    free.set()


def test_an_output_is_closed_with_leave(module: WatchedModule, hardware: MemoryModule) -> None:
    told_s = module.close_output(F1, lambda: True).result(1.0)
    assert hardware.coils[0] is True
    look(module)
    sight = module.wait_for_sight(told_s, time.monotonic())
    assert sight is not None
    assert sight.reading.contactor_closed


def test_leave_that_is_gone_when_its_turn_comes_closes_nothing(module: WatchedModule, hardware: MemoryModule) -> None:
    with pytest.raises(LinkError, match="void"):
        module.close_output(F1, lambda: False).result(1.0)
    assert hardware.told == []


def test_leave_that_ends_while_the_frame_is_under_way_opens_again(
    module: WatchedModule, hardware: MemoryModule
) -> None:
    leave = iter([True, False])
    with pytest.raises(LinkError, match="opened again"):
        module.close_output(F1, lambda: next(leave)).result(1.0)
    assert hardware.told == [(0, True), (0, False)]


def test_leave_is_void_after_the_process_was_stopped_for_a_while(
    module: WatchedModule, hardware: MemoryModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.monotonic()
    times = iter([now_s, now_s + 5.0])
    monkeypatch.setattr("lab.safety.supervisor.modules.time.monotonic", lambda: next(times, now_s + 5.0))
    with pytest.raises(LinkError, match="void"):
        module.close_output(F1, lambda: True).result(1.0)
    assert hardware.coils[0] is False


def test_a_toggle_for_a_scan_long_ago_is_none(module: WatchedModule, hardware: MemoryModule) -> None:
    module.toggle(time.monotonic() - 1.0)
    module.toggle(time.monotonic())
    module._opener.submit(lambda wire: None).result(1.0)
    assert len(hardware.pets) == 1


def test_waiting_for_a_look_ends_at_its_deadline(module: WatchedModule) -> None:
    assert module.wait_for_sight(0.0, time.monotonic() + 0.001) is None
