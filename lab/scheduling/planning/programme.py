"""What a furnace is to run, and when two firings are near enough to share it.

A batch runs the programme of one of its members, its leader; every other member asked for a programme within
the tolerance of the leader's. Nothing is ever averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from protocols.recipe import Dwell, Firing

ROOM_DEGC = 25.0
"""Where a programme starts."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Segment:
    """Go to a temperature at a controlled rate, then stay."""

    rate_degc_per_min: float
    target_degc: float
    dwell_s: float = 0.0


@dataclass(frozen=True)
class Programme:
    """Segments one after the other, in one atmosphere."""

    segments: tuple[Segment, ...]
    atmosphere: str = "air"

    @cached_property
    def peak_degc(self) -> float:
        """The highest temperature."""
        return max(segment.target_degc for segment in self.segments)

    @cached_property
    def fastest_degc_per_min(self) -> float:
        """The steepest controlled change, up or down."""
        return max(segment.rate_degc_per_min for segment in self.segments)

    @property
    def end_degc(self) -> float:
        """Where the programme ends and the furnace is left to cool."""
        return self.segments[-1].target_degc

    @cached_property
    def heating_s(self) -> float:
        """How long it runs, controlled cooling included.

        >>> Programme((Segment(5.0, 925.0, 3600.0),)).heating_s
        14400.0
        """
        total_s, at_degc = 0.0, ROOM_DEGC
        for segment in self.segments:
            total_s += abs(segment.target_degc - at_degc) / segment.rate_degc_per_min * 60.0 + segment.dwell_s
            at_degc = segment.target_degc
        return total_s


def programme_of(firing: Firing) -> Programme:
    """The programme of a recipe's firing; a dwell belongs to the ramp before it."""
    segments: list[Segment] = []
    for asked in firing.segments:
        if isinstance(asked, Dwell):
            last = segments.pop()
            segments.append(Segment(last.rate_degc_per_min, last.target_degc, last.dwell_s + asked.time_s))
        else:
            segments.append(Segment(asked.rate_degc_per_min, asked.to_degc))
    return Programme(tuple(segments), firing.atmosphere)


@dataclass(frozen=True)
class FiringNeed:
    """What one crucible needs of a furnace."""

    programme: Programme
    contamination: str = ""
    """What it may give off; crucibles of different classes do not share a furnace."""

    @cached_property
    def _hash(self) -> int:
        return hash((self.programme, self.contamination))

    def __hash__(self) -> int:
        """Counted once: needs are looked up at every decision."""
        return self._hash

    def __reduce__(self) -> tuple[type[FiringNeed], tuple[Programme, str]]:
        """Leave the hash behind: it holds in one process only."""
        return FiringNeed, (self.programme, self.contamination)


@dataclass(frozen=True)
class Merging:
    """How far a crucible may be fired from what was asked for it, for the sake of company; by default not at all."""

    peak_degc: float = 0.0
    """Largest difference of each target temperature, in kelvin."""
    dwell_fraction: float = 0.0
    """Largest difference of each dwell, as a fraction of the crucible's own."""
    rate_fraction: float = 0.0
    """Largest difference of each rate, as a fraction of the crucible's own."""
    harmless: frozenset[str] = frozenset()
    """Contamination classes that may be fired together."""
    longest_wait_s: float = 24 * 3600.0
    """How long the first crucible of a batch waits for the others."""

    def may_follow(self, need: FiringNeed, leader: FiringNeed) -> bool:
        """Whether a crucible may be fired with the leader's programme."""
        if need is leader or need == leader:
            return True
        own, theirs = need.programme, leader.programme
        if own.atmosphere != theirs.atmosphere or len(own.segments) != len(theirs.segments):
            return False
        if need.contamination != leader.contamination and not self.harmless >= {
            need.contamination,
            leader.contamination,
        }:
            return False
        return all(self._near(a, b) for a, b in zip(own.segments, theirs.segments, strict=True))

    def _near(self, own: Segment, other: Segment) -> bool:
        return (
            abs(own.target_degc - other.target_degc) <= self.peak_degc + _ROUNDING
            and abs(own.dwell_s - other.dwell_s) <= self.dwell_fraction * own.dwell_s + _ROUNDING
            and abs(own.rate_degc_per_min - other.rate_degc_per_min)
            <= self.rate_fraction * own.rate_degc_per_min + _ROUNDING
        )

    def leader_of(self, needs: Sequence[FiringNeed]) -> int | None:
        """Which of some crucibles gives the programme: all others may follow it, and are least far from it.

        Far is counted in parts of the tolerance, and summed; the first one of equals.

        Returns:
            The place in `needs`, or None where they cannot share a furnace.
        """
        if all(need == needs[0] for need in needs):
            return 0
        able = [i for i, leader in enumerate(needs) if all(self.may_follow(need, leader) for need in needs)]
        return min(able, key=lambda i: (sum(self._far(need, needs[i]) for need in needs), i), default=None)

    def _far(self, need: FiringNeed, leader: FiringNeed) -> float:
        return sum(
            _part(a.target_degc - b.target_degc, self.peak_degc)
            + _part(a.dwell_s - b.dwell_s, self.dwell_fraction * a.dwell_s)
            + _part(a.rate_degc_per_min - b.rate_degc_per_min, self.rate_fraction * a.rate_degc_per_min)
            for a, b in zip(need.programme.segments, leader.programme.segments, strict=True)
        )


def _part(difference: float, tolerance: float) -> float:
    return abs(difference) / tolerance if tolerance else 0.0
