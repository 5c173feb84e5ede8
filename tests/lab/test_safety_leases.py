from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from lab.safety.commands.leases import LONGEST_S, LeaseBook, LeaseError, Mode

AT = time.strftime("%H:%M", time.localtime(0.0))
FIRING = "sample-001/fire 1"


class Clock:
    """Wall seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> LeaseBook:
    return LeaseBook(clock, wall=lambda: 0.0)


# ---------------------------------------------------------------- one writer


def test_a_lease_is_current_for_its_devices_and_no_other(book: LeaseBook) -> None:
    lease = book.take("ana", Mode.MANUAL, {"furnace-1"}, role="operator")
    assert (lease.holder, lease.mode, lease.role, lease.expires_s) == ("ana", Mode.MANUAL, "operator", 1030.0)
    assert book.current("furnace-1") == book.find(lease.id) == lease
    assert book.why_stale(lease.id, "furnace-1") is None
    assert book.why_stale(lease.id, "mover-1") == f"lease {lease.id} is for furnace-1, not for mover-1: take it first"
    assert book.current("mover-1") is None


def test_nobody_takes_a_device_from_another_person_whose_name_and_hour_are_told(book: LeaseBook) -> None:
    book.take("ana", Mode.MANUAL, {"furnace-1"})
    for mode in Mode:
        with pytest.raises(LeaseError) as refused:
            book.take("bob", mode, {"furnace-1"})
        assert str(refused.value) == f"furnace-1 is driven by ana (manual) since {AT}: ask ana to release it"
        assert refused.value.in_the_way == book.current("furnace-1")


def test_maintenance_gives_way_to_nobody_else(book: LeaseBook) -> None:
    book.take("ana", Mode.MAINTENANCE, {"furnace-1"})
    with pytest.raises(LeaseError, match=r"driven by ana \(maintenance\)"):
        book.take("bob", Mode.MANUAL, {"furnace-1"})


def test_a_person_takes_over_from_a_task_and_the_task_keeps_its_other_devices(book: LeaseBook) -> None:
    task = book.take(FIRING, Mode.AUTO, {"furnace-1", "mover-1"})
    ana = book.take("ana", Mode.MANUAL, {"furnace-1"})
    assert book.all() == {"furnace-1": ana, "mover-1": task}
    assert book.why_stale(task.id, "mover-1") is None
    assert "driven by ana" in (book.why_stale(task.id, "furnace-1") or "")


def test_two_tasks_do_not_share_a_device(book: LeaseBook) -> None:
    book.take(FIRING, Mode.AUTO, {"furnace-1"})
    with pytest.raises(LeaseError, match=r"at work for sample-001/fire 1 \(auto\): wait for its end"):
        book.take("sample-002/load 1", Mode.AUTO, {"furnace-1", "mover-1"})
    assert book.current("mover-1") is None


def test_all_devices_are_given_or_none(book: LeaseBook) -> None:
    book.take("ana", Mode.MANUAL, {"mover-1"})
    with pytest.raises(LeaseError):
        book.take("bob", Mode.MANUAL, {"furnace-1", "mover-1"})
    assert book.current("furnace-1") is None


def test_taking_again_from_a_second_shell_ends_the_first_lease(book: LeaseBook) -> None:
    first = book.take("ana", Mode.MANUAL, {"furnace-1"})
    second = book.take("ana", Mode.MANUAL, {"furnace-1"})
    assert book.current("furnace-1") == second
    assert "driven by ana" in (book.why_stale(first.id, "furnace-1") or "")
    with pytest.raises(LeaseError, match=f"lease {first.id} was taken again at {AT}: take the device again"):
        book.renew(first.id)


# ---------------------------------------------------------------- fences


def test_every_lease_has_a_larger_number_that_is_part_of_its_id(book: LeaseBook) -> None:
    leases = [book.take(FIRING, Mode.AUTO, {"furnace-1"}), book.take("ana", Mode.MANUAL, {"furnace-1"})]
    book.release(leases[-1].id)
    leases.append(book.take(FIRING, Mode.AUTO, {"furnace-1"}))
    assert [lease.fence for lease in leases] == [1, 2, 3]
    assert [lease.id for lease in leases] == [f"{FIRING}#1", "ana#2", f"{FIRING}#3"]


def test_a_task_that_lost_a_device_stays_without_it_when_the_person_lets_go(book: LeaseBook) -> None:
    task = book.take(FIRING, Mode.AUTO, {"furnace-1"})
    book.release(book.take("ana", Mode.MANUAL, {"furnace-1"}).id)
    assert book.why_stale(task.id, "furnace-1") == (
        "furnace-1 was taken over by ana (manual), and nobody has resumed it yet"
    )
    again = book.take(FIRING, Mode.AUTO, {"furnace-1"})
    assert book.why_stale(again.id, "furnace-1") is None
    assert book.why_stale(task.id, "furnace-1") is not None


def test_whoever_took_over_last_is_told(book: LeaseBook) -> None:
    task = book.take(FIRING, Mode.AUTO, {"furnace-1"})
    book.release(book.take("ana", Mode.MANUAL, {"furnace-1"}).id)
    book.release(book.take("bob", Mode.MANUAL, {"furnace-1"}).id)
    assert "taken over by bob" in (book.why_stale(task.id, "furnace-1") or "")


def test_no_lease_and_an_unknown_one_are_told_apart(book: LeaseBook) -> None:
    assert book.why_stale(None, "furnace-1") == "furnace-1 is asked for without a lease: take it first"
    assert book.why_stale("ana#7", "furnace-1") == "there is no lease ana#7: take the device first"


# ---------------------------------------------------------------- expiry


def test_a_lease_of_a_person_lapses_and_is_told_once(book: LeaseBook, clock: Clock) -> None:
    lease = book.take("ana", Mode.MANUAL, {"furnace-1", "mover-1"})
    clock.now_s += LONGEST_S - 0.1
    assert book.lapsed() == []
    clock.now_s += 0.1
    assert book.lapsed() == [("furnace-1", lease), ("mover-1", lease)]
    assert book.lapsed() == []
    assert book.all() == {}
    assert book.why_stale(lease.id, "furnace-1") == f"lease {lease.id} lapsed at {AT}: take the device again"


def test_renewing_keeps_it_alive_and_its_id(book: LeaseBook, clock: Clock) -> None:
    lease = book.take("ana", Mode.MANUAL, {"furnace-1"})
    for _ in range(5):
        clock.now_s += 20.0
        assert book.renew(lease.id).id == lease.id
    assert book.current("furnace-1") == book.find(lease.id)
    assert book.lapsed() == []


def test_a_lease_that_was_given_back_does_not_lapse(book: LeaseBook, clock: Clock) -> None:
    lease = book.take("ana", Mode.MANUAL, {"furnace-1"})
    assert book.release(lease.id)
    assert not book.release(lease.id)
    clock.now_s += 100.0
    assert book.lapsed() == []


def test_a_device_that_was_taken_over_does_not_lapse_with_its_old_lease(book: LeaseBook, clock: Clock) -> None:
    book.take("ana", Mode.MANUAL, {"furnace-1", "mover-1"})
    clock.now_s += 20.0
    second = book.take("ana", Mode.MANUAL, {"furnace-1"})
    clock.now_s += 15.0
    assert [device for device, _ in book.lapsed()] == ["mover-1"]
    assert book.current("furnace-1") == second


def test_a_lease_of_a_task_never_lapses(book: LeaseBook, clock: Clock) -> None:
    lease = book.take(FIRING, Mode.AUTO, {"furnace-1"})
    clock.now_s += 1e9
    assert lease.expires_s == math.inf
    assert book.current("furnace-1") == book.renew(lease.id) == lease


@pytest.mark.parametrize("life_s", [0.0, -1.0, 31.0, math.inf, math.nan])
def test_nobody_has_a_lease_that_lives_longer_than_half_a_minute(book: LeaseBook, life_s: float) -> None:
    with pytest.raises(LeaseError, match="at most 30 s"):
        book.take("ana", Mode.MANUAL, {"furnace-1"}, life_s=life_s)
    lease = book.take("ana", Mode.MANUAL, {"furnace-1"})
    with pytest.raises(LeaseError, match="at most 30 s"):
        book.renew(lease.id, life_s)


def test_a_thousand_tasks_leave_little_behind(book: LeaseBook) -> None:
    for i in range(3000):
        book.release(book.take(f"task-{i}", Mode.AUTO, {"furnace-1"}).id)
    assert len(book._ended) <= 1000
    assert not book._leases
    assert not book._taken_over


# ---------------------------------------------------------------- lock-outs


def test_a_lock_out_says_who_why_and_since_when(book: LeaseBook) -> None:
    book.lock_out("furnace-1", "ana", " changing the element ")
    (lock,) = book.lock_outs("furnace-1")
    assert lock.describe() == (
        f"furnace-1 is locked out by ana since {AT} (changing the element): ana must take the lock off"
    )
    assert book.lock_outs("mover-1") == []


def test_each_person_has_a_lock_and_takes_off_only_that(book: LeaseBook) -> None:
    book.lock_out("furnace-1", "ana", "changing the element")
    book.lock_out("furnace-1", "bob", "cleaning the tube")
    book.remove("furnace-1", "ana")
    assert [lock.who for lock in book.lock_outs()] == ["bob"]
    with pytest.raises(LeaseError, match="furnace-1 has no lock of ana: furnace-1 is locked out by bob"):
        book.remove("furnace-1", "ana")
    with pytest.raises(LeaseError, match="mover-1 has no lock of ana: mover-1 is not locked out"):
        book.remove("mover-1", "ana")


def test_a_safety_officer_takes_off_the_lock_of_somebody_else(book: LeaseBook) -> None:
    book.lock_out("furnace-1", "ana", "changing the element")
    book.remove("furnace-1", "eve", of="ana")
    assert book.lock_outs() == []


def test_a_lock_out_needs_a_reason(book: LeaseBook) -> None:
    with pytest.raises(LeaseError, match="say what is being done"):
        book.lock_out("furnace-1", "ana", "  ")


def test_lock_outs_survive_a_restart(tmp_path: Path) -> None:
    store = tmp_path / "lockouts.json"
    LeaseBook(store=store).lock_out("furnace-1", "ana", "changing the element")
    again = LeaseBook(store=store)
    assert [lock.reason for lock in again.lock_outs("furnace-1")] == ["changing the element"]
    again.remove("furnace-1", "ana")
    assert LeaseBook(store=store).lock_outs() == []


def test_lock_outs_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    store = tmp_path / "lockouts.json"
    store.write_text('[{"device": "furnace-1"', encoding="utf-8")
    with pytest.raises(LeaseError, match="make sure that nobody works at a device, then remove the file"):
        LeaseBook(store=store)


def test_a_lock_out_that_is_not_kept_is_told_and_holds_all_the_same(tmp_path: Path) -> None:
    book = LeaseBook(store=tmp_path / "missing" / "lockouts.json")
    with pytest.raises(LeaseError, match="would be forgotten at a restart"):
        book.lock_out("furnace-1", "ana", "changing the element")
    assert len(book.lock_outs("furnace-1")) == 1
