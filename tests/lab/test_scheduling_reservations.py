from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from drivers.clock import JumpClock
from lab.scheduling.reservations import OutOfServiceError, Reservations


@dataclass
class Yard:
    """Workers that take stations at given times and note what they got."""

    clock: JumpClock = field(default_factory=lambda: JumpClock(0.0))
    log: list[tuple[float, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reservations = Reservations(self.clock)

    def worker(self, name: str, start_s: float, for_s: float, *choices: set[str]) -> Callable[[], None]:
        def work() -> None:
            self.clock.sleep_until(start_s)
            with self.reservations.hold_any([frozenset(names) for names in choices], name) as held:
                self.log.append((self.clock.now(), name, "+".join(sorted(held))))
                self.clock.sleep_until(self.clock.now() + for_s)

        return work

    def run(self, *workers: tuple[str, float, float, tuple[set[str], ...]]) -> list[tuple[float, str, str]]:
        tasks = [self.clock.start(w[0], self.worker(w[0], w[1], w[2], *w[3])) for w in workers]
        for task in tasks:
            task.join()
        assert self.reservations.held == {}
        return self.log


@pytest.fixture
def yard() -> Yard:
    return Yard()


def test_all_names_come_together_or_none(yard: Yard) -> None:
    log = yard.run(
        ("a", 0.0, 100.0, ({"mover"},)),
        ("b", 1.0, 10.0, ({"doser", "mover"},)),
        ("c", 2.0, 10.0, ({"xrd"},)),
    )
    # While b waits for the mover it holds nothing.
    assert log == [(0.0, "a", "mover"), (2.0, "c", "xrd"), (100.0, "b", "doser+mover")]


def test_what_is_held_names_its_holder(yard: Yard) -> None:
    with yard.reservations.hold({"doser", "mover"}, "sample-001"):
        assert yard.reservations.held == {"doser": "sample-001", "mover": "sample-001"}
    assert yard.reservations.held == {}


def test_first_come_first_served(yard: Yard) -> None:
    log = yard.run(
        ("z", 0.0, 10.0, ({"mover"},)),
        ("y", 1.0, 10.0, ({"mover"},)),
        ("x", 2.0, 10.0, ({"mover"},)),
        ("w", 3.0, 10.0, ({"mover"},)),
    )
    assert [(t, name) for t, name, _ in log] == [(0.0, "z"), (10.0, "y"), (20.0, "x"), (30.0, "w")]


def test_a_later_small_request_does_not_overtake_an_earlier_large_one(yard: Yard) -> None:
    log = yard.run(
        ("holder", 0.0, 100.0, ({"mover"},)),
        ("large", 1.0, 10.0, ({"doser", "mover"},)),
        ("small", 2.0, 10.0, ({"doser"},)),
    )
    assert [(t, name) for t, name, _ in log] == [(0.0, "holder"), (100.0, "large"), (110.0, "small")]


def test_any_one_of_several_choices_will_do(yard: Yard) -> None:
    both = ({"furnace-1"}, {"furnace-2"})
    log = yard.run(("a", 0.0, 100.0, both), ("b", 1.0, 50.0, both), ("c", 2.0, 10.0, both), ("d", 3.0, 10.0, both))
    assert log == [
        (0.0, "a", "furnace-1"),
        (1.0, "b", "furnace-2"),
        (51.0, "c", "furnace-2"),
        (61.0, "d", "furnace-2"),
    ]


def test_a_request_for_nothing_is_granted_at_once(yard: Yard) -> None:
    with yard.reservations.hold({"mover"}, "a"), yard.reservations.hold((), "b"):
        assert yard.reservations.held == {"mover": "a"}


def test_stations_are_free_again_after_a_failure(yard: Yard) -> None:
    with pytest.raises(RuntimeError), yard.reservations.hold({"mover"}, "a"):
        raise RuntimeError
    assert yard.reservations.held == {}
    with yard.reservations.hold({"mover"}, "b"):
        assert yard.reservations.held == {"mover": "b"}


def test_those_who_take_the_furnace_before_the_mover_never_wait_in_a_circle(yard: Yard) -> None:
    done: list[str] = []

    def firing(name: str) -> None:
        for _ in range(3):
            with yard.reservations.hold_any([frozenset({"furnace-1"}), frozenset({"furnace-2"})], name):
                for _ in range(2):
                    with yard.reservations.hold({"mover"}, name):
                        yard.clock.sleep_until(yard.clock.now() + 60.0)
                    yard.clock.sleep_until(yard.clock.now() + 3600.0)
        done.append(name)

    tasks = [yard.clock.start(f"s{i}", lambda i=i: firing(f"s{i}")) for i in range(4)]  # type: ignore[misc]
    for task in tasks:
        task.join()
    assert sorted(done) == ["s0", "s1", "s2", "s3"]


def test_a_retired_station_is_refused_with_the_reason(yard: Yard) -> None:
    yard.reservations.retire("furnace-1", "a crucible stuck")
    with (
        pytest.raises(OutOfServiceError, match="furnace-1 is out of service: a crucible stuck"),
        yard.reservations.hold({"furnace-1"}, "a"),
    ):
        pass
    with yard.reservations.hold_any([frozenset({"furnace-1"}), frozenset({"furnace-2"})], "a") as held:
        assert held == {"furnace-2"}


def test_whoever_waits_for_a_station_that_is_retired_is_told(yard: Yard) -> None:
    failures: list[str] = []

    def wait() -> None:
        yard.clock.sleep_until(1.0)
        try:
            with yard.reservations.hold({"mover"}, "b"):
                pass
        except OutOfServiceError as error:
            failures.append(f"{yard.clock.now():g} {error}")

    task = yard.clock.start("b", wait)
    with yard.reservations.hold({"mover"}, "a"):
        yard.clock.sleep_until(5.0)
        yard.reservations.retire("mover", "its bus ended")
        task.join()
    assert failures == ["5 mover is out of service: its bus ended"]
    assert yard.reservations.held == {}


def test_three_failures_in_a_row_retire_a_station_and_a_success_forgives(yard: Yard) -> None:
    for _ in range(2):
        yard.reservations.note_failure("doser", "blocked")
    yard.reservations.note_success("doser")
    for _ in range(2):
        yard.reservations.note_failure("doser", "blocked")
    assert yard.reservations.retired == {}
    yard.reservations.note_failure("doser", "blocked")
    assert yard.reservations.retired == {"doser": "3 tasks in a row failed there, the last one: blocked"}


def test_nothing_can_be_held_where_there_is_no_choice(yard: Yard) -> None:
    with pytest.raises(OutOfServiceError, match="no station"), yard.reservations.hold_any([], "a"):
        pass
