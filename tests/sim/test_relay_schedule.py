"""Faults by chance and by list: equal seeds and equal requests give equal faults."""

from __future__ import annotations

from collections import Counter

import pytest

from sim.addresses import Carrier, Spot
from sim.errors import SimError
from sim.relay import Fault, Injection, Schedule
from tests.sim.relay_bench import READ, WRITE, Bench, line_bench, rtu, serial_bench, tcp_bench

Seen = list[tuple[str, Fault, str]]


def seen(history: tuple[Injection, ...]) -> Seen:
    return [(injection.instrument, injection.fault, injection.detail) for injection in history]


def ask_often(schedule: Schedule, requests: int = 400) -> Bench:
    bench = serial_bench(others={"furnace-2": Spot(Carrier.PTY, "furnace-1", unit=2)})
    bench.start(schedule)
    for number in range(requests):
        bench.ask((READ, WRITE, rtu("02 03 0001 0001"))[number % 3])
        bench.later.clear()
        bench.connect()
    return bench


def test_equal_seeds_give_equal_histories_and_others_do_not() -> None:
    first, again, other = (ask_often(Schedule(rate=0.2, seed=seed)) for seed in (1, 1, 2))
    assert seen(first.relay.history) == seen(again.relay.history)
    assert seen(first.relay.history) != seen(other.relay.history)


def test_the_rate_is_that_of_faults_for_each_request() -> None:
    bench = ask_often(Schedule(rate=0.1, seed=4, lasting=0), 3000)
    begun = [injection for injection in bench.relay.history if not injection.over]
    assert 200 < len(begun) < 330  # 300, less what has to wait for another request


def test_chance_brings_all_that_can_be_done_and_nothing_else() -> None:
    bench = ask_often(Schedule(rate=1.0, seed=4, lasting=0), 1500)
    counts = Counter(injection.fault for injection in bench.relay.history)
    assert set(counts) == set(bench.relay.faults_of("furnace-1"))
    assert {Fault.MULTILINE_CUT, Fault.DEAD_CONNECTION, Fault.CLOCK_JUMP}.isdisjoint(counts)


def test_chance_may_be_confined() -> None:
    only = (Fault.NO_REPLY, Fault.LATE_REPLY)
    bench = ask_often(Schedule(rate=0.0, rates={"furnace-2": 1.0}, seed=4, faults=only, most=7))
    assert len(bench.relay.history) == 7
    assert {injection.instrument for injection in bench.relay.history} == {"furnace-2"}
    assert {injection.fault for injection in bench.relay.history} <= set(only)
    assert bench.wire.quiet


def test_a_fault_that_the_wire_does_not_know_is_never_drawn() -> None:
    bench = ask_often(Schedule(rate=1.0, faults=(Fault.MULTILINE_CUT,)))
    assert bench.relay.history == ()


def test_a_list_names_the_request() -> None:
    bench = tcp_bench()
    bench.start(Schedule(listed={"furnace-1": {2: Fault.BUSY, 4: Fault.BUSY}}))
    read = bytes.fromhex("0001 0000 0006 01 03 0001 0001")
    assert [bench.ask(read)[7] for _ in range(5)] == [0x03, 0x83, 0x03, 0x83, 0x03]
    assert bench.wire.quiet


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (Schedule(listed={"furnace-1": {1: Fault.NOISE}}), "furnace-1: noise cannot be done to it"),
        (Schedule(listed={"butler": {1: Fault.NOISE}}), "there is no relay before 'butler'"),
        (Schedule(rates={"butler": 0.5}), "there is no relay before 'butler'"),
    ],
)
def test_a_schedule_that_cannot_be_is_told_at_once(schedule: Schedule, sentence: str) -> None:
    with pytest.raises(SimError, match=sentence):
        tcp_bench().start(schedule)


def test_what_is_late_by_chance_is_as_late_as_the_relay_says() -> None:
    bench = tcp_bench()
    bench.relay.late_s = 0.03
    bench.start(Schedule(rate=1.0, faults=(Fault.LATE_REPLY,)))
    bench.ask(bytes.fromhex("0001 0000 0006 01 03 0001 0001"))
    assert bench.later[0][0] == pytest.approx(0.03, abs=0.01)


def test_stopping_lets_bytes_pass_again() -> None:
    bench, _ = line_bench()
    bench.start(Schedule(rate=1.0, faults=(Fault.NO_REPLY,)))
    assert bench.ask(b"1\r\n") == b""
    bench.relay.stop()
    assert bench.ask(b"2\r\n") == b"> 2\r\n"
    assert bench.wire.quiet


def test_a_fault_that_goes_on_is_not_begun_again() -> None:
    bench = serial_bench()
    bench.start(Schedule(rate=1.0, faults=(Fault.SENSOR_BREAK,), lasting=5))
    for _ in range(6):
        bench.ask(READ)
    assert bench.done == [(Fault.SENSOR_BREAK, "")]
    bench.ask(READ)
    assert [detail for _, detail in bench.done] == ["", "over", ""]


def test_chance_begins_no_state_of_an_instrument_while_it_is_in_another() -> None:
    states = (Fault.SENSOR_BREAK, Fault.STUCK, Fault.OTHER_DEVICE, Fault.WRONG_DECIMALS, Fault.POWER_CYCLE)
    bench = ask_often(Schedule(rate=0.5, seed=4, faults=states, lasting=7), 2000)
    going_on: dict[str, Fault] = {}
    for injection in bench.relay.history:
        name, fault = injection.instrument, injection.fault
        if injection.over:
            assert going_on.pop(name) is fault
        elif fault is Fault.POWER_CYCLE:
            assert going_on.get(name) is not Fault.STUCK
        else:
            assert name not in going_on
            going_on[name] = fault
    assert {injection.fault for injection in bench.relay.history} == set(states) & set(
        bench.relay.faults_of("furnace-1")
    )


def test_some_faults_may_last_for_less_than_others() -> None:
    bench = ask_often(Schedule(rate=1.0, seed=4, faults=(Fault.STUCK,), lasts={Fault.STUCK: 0}, lasting=1000), 60)
    assert sum(injection.over for injection in bench.relay.history) > 5


def test_whoever_watches_is_told_of_each_answer() -> None:
    bench = serial_bench()
    told: list[str] = []
    bench.relay.watch("furnace-1", told.append)
    bench.ask(READ)
    bench.relay.inject("furnace-1", Fault.NO_REPLY, variant="reply")
    bench.ask(READ)
    assert told == ["furnace-1", "furnace-1"]
    with pytest.raises(SimError, match="there is no relay before 'furnace-9'"):
        bench.relay.watch("furnace-9", told.append)
