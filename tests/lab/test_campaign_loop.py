from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.gate import DriverError
from lab.campaign.given import GivenRecipes
from lab.campaign.loop import CampaignLoop, Sample, Terms
from lab.characterization.errors import PatternError
from lab.characterization.result import Characterization
from planner.errors import PoolEmptyError
from planner.types import Observation, Outcome, Planner, Suggestion
from tests.lab.shop import Shop, recipe

TERMS = Terms("BaTiO3", 3, 0.8, "10-80deg-8min")


class Analyst:
    """Finds nothing, and remembers what it was given."""

    def __init__(self) -> None:
        self.patterns: list[Path] = []

    def analyze(self, pattern: Path, picture: Path) -> Characterization:
        self.patterns.append(pattern)
        nothing: Any = None
        return Characterization(
            (), 1.0, 0.5, 0.1, needs_review=True, review_reason="no phase", seconds=0.0, curves=nothing
        )


class Exhausted(GivenRecipes):
    """A planner that refuses where its recipes end."""

    def suggest(self, n: int) -> list[Suggestion]:
        found = super().suggest(n)
        if not found:
            raise PoolEmptyError("every legal recipe has been suggested: widen the ranges")
        return found


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "recipes").mkdir()
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def loop(shop: Shop, planner: Planner, **settings: Any) -> CampaignLoop:
    return CampaignLoop(
        TERMS,
        planner,
        Analyst(),
        shop.bench,
        [shop.engine],
        shop.clock,
        shop.reservations,
        shop.journal,
        shop.folder,
        **settings,
    )


def test_it_goes_on_until_the_budget_is_spent_and_tells_the_planner_everything(shop: Shop) -> None:
    planner = GivenRecipes([recipe()] * 5, "given")
    samples = loop(shop, planner).run()
    assert [sample.name for sample in samples] == ["sample-001", "sample-002", "sample-003"]
    assert [observation.outcome for observation in planner.observations] == [Outcome.MISSING] * 3
    assert all(sample.recipe_path.exists() for sample in samples)


def test_a_failed_sample_is_a_result_and_the_next_one_is_made(shop: Shop) -> None:
    shop.xrd.fails["measure"] = RuntimeError("the tube is off")
    planner = GivenRecipes([recipe()] * 3, "given")
    samples = loop(shop, planner).run()
    assert [sample.failed for sample in samples] == [True, False, False]
    assert "the tube is off" in (samples[0].record.failure or "")
    assert planner.observations[0] == Observation(0, Outcome.FAILED_EQUIPMENT)
    assert [observation.outcome for observation in planner.observations[1:]] == [Outcome.MISSING] * 2


def test_a_planner_without_an_idea_ends_the_campaign_early_and_says_why(shop: Shop) -> None:
    running = loop(shop, Exhausted([recipe()], "given"))
    assert len(running.run()) == 1
    assert running.ended_because == "every legal recipe has been suggested: widen the ranges"


def test_a_stop_starts_no_new_sample_and_finishes_the_one_in_work(shop: Shop) -> None:
    stop: list[bool] = []
    running = loop(
        shop,
        GivenRecipes([recipe()] * 3, "given"),
        on_change=lambda sample: stop.append(True),
        stop_requested=lambda: bool(stop),
    )
    (sample,) = running.run()
    assert sample.observation is not None
    assert not sample.failed


class Blind(Analyst):
    """Cannot read anything."""

    def analyze(self, pattern: Path, picture: Path) -> Characterization:
        raise PatternError(f"{pattern}: is cut short")


def test_a_pattern_that_cannot_be_read_goes_to_a_person_and_the_campaign_goes_on(shop: Shop) -> None:
    running = loop(shop, GivenRecipes([recipe()] * 3, "given"))
    running.analyst = Blind()
    samples = running.run()
    assert len(samples) == 3
    assert all(sample.in_review and not sample.failed for sample in samples)
    assert samples[0].analysis_failure == "raw/sample-001.xrdml: is cut short"


def test_a_campaign_ends_when_no_furnace_is_left(shop: Shop) -> None:
    shop.furnace.fails["wait-cooled"] = DriverError("furnace-1: is still at 412 degC")
    running = loop(shop, GivenRecipes([recipe()] * 3, "given"))
    (sample,) = running.run()
    assert sample.failed
    assert running.ended_because == "furnace-1 is out of service: sample-001 could not be taken out of it"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_a_task_is_raised_and_not_called_a_failed_sample(shop: Shop) -> None:
    shop.mover.refuses["move"] = ZeroDivisionError("a mistake of ours")
    with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
        loop(shop, GivenRecipes([recipe()] * 3, "given")).run()
    # The thread shows its error too, and must have done so before another test begins.
    for thread in threading.enumerate():
        if thread.name.startswith("sample-"):
            thread.join()


def test_a_sample_that_comes_in_while_another_is_learnt_from_is_not_lost(shop: Shop) -> None:
    planner = GivenRecipes([recipe()] * 3, "given")
    running = loop(shop, planner)
    log = running._log
    late: list[Sample] = []

    def log_and_let_one_come_in(sample: Sample) -> None:
        log(sample)
        # As a thread would where time passes by itself: after the list of finished samples was looked at.
        if not late:
            late.append(Sample(sample.suggestion, sample.record, sample.recipe_path))
            running._finished.append(late[0])

    running._log = log_and_let_one_come_in  # type: ignore[method-assign]
    running.run()
    assert late[0].observation is not None
    assert len(planner.observations) == 4
