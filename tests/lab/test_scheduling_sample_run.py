from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.gate import DriverError
from lab.scheduling.sample_run import Bench
from tests.lab.shop import PROGRAMME_S, Shop, recipe


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def test_a_sample_goes_through_every_task_to_its_pattern(shop: Shop) -> None:
    record = shop.run(recipe())
    assert record.failure is None
    assert record.stage == "made"
    assert record.pattern_path == "raw/sample-001.xrdml"
    assert record.dosed_mg == {"BaCO3-lot7": 592.2, "TiO2-lot3": 240.2}
    assert record.peaks_degc == [948.0]
    assert shop.stages == [
        "dose",
        "mix",
        "waits for a furnace (1)",
        "load 1",
        "fire 1",
        "cool 1",
        "recover 1",
        "measure",
        "made",
    ]


def test_furnace_time_is_programme_and_cooling(shop: Shop) -> None:
    # The contactor, the looks and the power taken away cost a few seconds of lab time each.
    assert shop.run(recipe()).furnace_s == pytest.approx(PROGRAMME_S + 1800.0, abs=310.0)


def test_each_task_is_in_the_journal_before_and_after_and_in_the_spans(shop: Shop) -> None:
    record = shop.run(recipe())
    tasks = ["dose", "mix", "load 1", "fire 1", "cool 1", "recover 1", "measure"]
    assert shop.kinds() == [(kind, task) for task in tasks for kind in ("task-started", "task-done")]
    assert [span.task for span in record.spans] == tasks
    assert [span.station for span in record.spans] == [
        "doser-1",
        "mill-1/1",
        "furnace-1",
        "furnace-1",
        "furnace-1",
        "furnace-1",
        "xrd-1",
    ]
    for before, after in zip(record.spans, record.spans[1:], strict=False):
        assert before.start_s < before.end_s <= after.start_s


def test_a_second_firing_comes_after_a_regrind_in_the_same_crucible(shop: Shop) -> None:
    record = shop.run(recipe(firings=2))
    assert record.failure is None
    assert [span.task for span in record.spans][6:11] == ["regrind 1", "load 2", "fire 2", "cool 2", "recover 2"]
    assert shop.verbs("furnace-1").count("run-program") == 2
    assert len(record.peaks_degc) == 2


def test_every_command_is_the_samples_own(shop: Shop) -> None:
    shop.run(recipe())
    assert {told.actor for told in shop.told} == {"auto"}
    assert {told.lease for told in shop.told if told.verb == "run-program"} == {"sample-001/fire 1"}


def test_a_failed_firing_leaves_the_furnace_cold_and_empty_and_says_why(shop: Shop) -> None:
    shop.furnace.fails["run-program"] = DriverError("furnace-1: the sensor broke at 412 degC")
    record = shop.run(recipe())
    assert record.stage == "failed"
    assert record.failure is not None
    assert "furnace-1: the sensor broke at 412 degC" in record.failure
    fired = [told.verb for told in shop.told if told.lease == "sample-001/fire 1"]
    assert fired == ["scan", "close-contactor", "scan", "run-program", "open-contactor", "reset-program"]
    assert [span.task for span in record.spans][-2:] == ["cool 1", "recover 1"]
    assert "measure" not in shop.verbs("xrd-1")
    assert ("task-failed", "fire 1") in shop.kinds()


def test_the_failure_names_the_task_that_failed(shop: Shop) -> None:
    shop.furnace.fails["run-program"] = DriverError("furnace-1: the sensor broke")
    assert shop.run(recipe()).failure == "fire 1: furnace-1: the sensor broke"


def test_the_first_failure_is_told_though_taking_the_sample_out_fails_too(shop: Shop) -> None:
    shop.furnace.fails["run-program"] = DriverError("furnace-1: the sensor broke")
    shop.furnace.fails["wait-cooled"] = DriverError("furnace-1: silent")
    assert shop.run(recipe()).failure == "fire 1: furnace-1: the sensor broke"
    assert ("task-failed", "cool 1") in shop.kinds()


def test_a_denied_command_ends_the_sample_with_the_reasons(shop: Shop) -> None:
    shop.mover.refuses["door"] = DriverError("mover-1: door-open furnace-1.door was denied: F1-DOOR: too hot")
    record = shop.run(recipe())
    assert record.failure is not None
    assert "F1-DOOR: too hot" in record.failure
    assert "run-program" not in shop.verbs("furnace-1")


def test_a_wrong_head_ends_the_sample_before_anything_is_fired(shop: Shop) -> None:
    shop.bench = Bench(
        shop.bench.furnaces,
        shop.bench.watched_by,
        shop.doser,
        shop.mover,
        shop.xrd,
        {"BaCO3-lot7": 2, "TiO2-lot3": 1},
        lambda name, firing: True,
    )
    record = shop.run(recipe())
    assert record.failure == (
        "dose: doser-1: head 2 holds lot 'TiO2-lot3', the recipe needs 'BaCO3-lot7': put the right head in"
    )
    assert shop.verbs("furnace-1") == []


def test_a_bench_makes_another_sample_after_one_failed(shop: Shop) -> None:
    shop.furnace.fails["run-program"] = DriverError("furnace-1: broke")
    assert shop.run(recipe()).failure is not None
    assert shop.run(recipe()).failure is None


def test_a_furnace_that_keeps_its_crucible_is_given_to_nobody_any_more(shop: Shop) -> None:
    shop.furnace.fails["wait-cooled"] = DriverError("furnace-1: is still at 412 degC")
    assert shop.run(recipe()).stage == "failed"
    assert shop.reservations.retired == {"furnace-1": "sample-001 could not be taken out of it"}
    assert shop.run(recipe()).failure == (
        "waits for a furnace (1): furnace-1 is out of service: sample-001 could not be taken out of it"
    )
    assert shop.bench.stands_still(shop.reservations.retired) is not None


def test_a_furnace_that_cannot_do_the_firing_is_not_asked(shop: Shop) -> None:
    object.__setattr__(shop.bench, "fits", lambda name, firing: False)
    assert shop.run(recipe()).failure == "waits for a furnace (1): no station of this laboratory can do the task"
    assert shop.verbs("furnace-1") == []


def test_a_task_that_takes_longer_than_it_can_is_told_to_a_person_and_goes_on(shop: Shop) -> None:
    shop.mover.takes_s["mix"] = 5 * 3600.0
    record = shop.run(recipe())
    assert record.failure is None
    assert shop.told_people == ["mix of sample-001 on mill-1/1 takes longer than it can"]
    assert ("task-hangs", "mix") in shop.kinds()


def test_nobody_is_told_of_tasks_that_take_their_time(shop: Shop) -> None:
    shop.run(recipe())
    assert shop.told_people == []
