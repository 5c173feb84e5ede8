from __future__ import annotations

import random

import pytest

from lab.scheduling.planning.grouping import followers, group
from lab.scheduling.planning.programme import FiringNeed, Merging, Programme, Segment, programme_of
from lab.scheduling.planning.shop import Cooling
from protocols.recipe import Cool, Dwell, Firing, Ramp

WIDE = Merging(peak_degc=5.0, dwell_fraction=0.25, rate_fraction=0.25)


def need(
    peak_degc: float, dwell_h: float = 4.0, rate: float = 5.0, atmosphere: str = "air", off: str = ""
) -> FiringNeed:
    return FiringNeed(Programme((Segment(rate, peak_degc, dwell_h * 3600.0),), atmosphere), off)


def test_a_firing_becomes_segments_with_their_dwells() -> None:
    firing = Firing(
        segments=(
            Ramp(rate_degc_per_min=5.0, to_degc=925.0),
            Dwell(time_s=3600.0),
            Dwell(time_s=600.0),
            Cool(rate_degc_per_min=2.0, to_degc=400.0),
        )
    )
    programme = programme_of(firing)
    assert programme.segments == (Segment(5.0, 925.0, 4200.0), Segment(2.0, 400.0))
    assert programme.heating_s == firing.duration_s()
    assert programme.peak_degc == 925.0
    assert programme.end_degc == 400.0


@pytest.mark.parametrize(
    ("asked", "run", "may"),
    [
        (need(900), need(905), True),
        (need(900), need(906), False),
        (need(900, 8), need(900, 10), True),
        (need(900, 8), need(900, 10.1), False),
        (need(900, 6), need(900, 8), False),
        (need(900, 8), need(900, 6), True),
        (need(900, rate=4), need(900, rate=5), True),
        (need(900, rate=2), need(900, rate=5), False),
        (need(900), need(900, atmosphere="argon"), False),
        (need(900, off="lead"), need(900), False),
    ],
)
def test_what_may_be_fired_with_what(asked: FiringNeed, run: FiringNeed, may: bool) -> None:
    assert WIDE.may_follow(asked, run) is may


def test_by_default_only_identical_firings_share() -> None:
    assert Merging().may_follow(need(900), need(900))
    assert not Merging().may_follow(need(900), need(901))


def test_another_number_of_segments_is_another_programme() -> None:
    two = FiringNeed(Programme((Segment(5.0, 400.0, 3600.0), Segment(5.0, 900.0, 14400.0))))
    assert not WIDE.may_follow(two, need(900))


def test_the_leader_is_the_member_that_is_least_far_from_all() -> None:
    needs = [need(900), need(910), need(905)]
    assert WIDE.leader_of(needs) == 2
    assert WIDE.leader_of(needs[:2]) is None


def test_groups_hold_everybody_once_and_have_a_leader() -> None:
    draws = random.Random(4)
    wanted = {
        (f"s{i}", 1): need(draws.choice(range(800, 1000, 5)), draws.choice((4, 5, 8)), off=draws.choice(("", "lead")))
        for i in range(200)
    }
    batches = group(wanted, WIDE, 8)
    assert sorted(key for batch in batches for key in batch) == sorted(wanted)
    for batch in batches:
        assert len(batch) <= 8
        assert WIDE.leader_of([wanted[key] for key in batch]) is not None


def test_the_loneliest_gets_company_first() -> None:
    """895 can only go with 900, which the others could do without."""
    wanted = {(str(degc), 0): need(degc) for degc in (895, 900, 905, 910)}
    assert sorted(len(batch) for batch in group(wanted, WIDE, 2)) == [2, 2]


def test_followers_are_those_within_tolerance() -> None:
    assert followers([need(900), need(905), need(910)], WIDE) == [[0, 1], [0, 1, 2], [1, 2]]


def test_cooling_takes_longer_from_higher_up_and_nothing_from_below() -> None:
    cooling = Cooling(3600.0)
    assert cooling.time_s(1000.0) > cooling.time_s(500.0) > cooling.time_s(60.0) == 0.0
