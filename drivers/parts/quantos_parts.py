"""What moves at a Quantos and what is found there: the head and its pin, the front door, the pan, the autosampler."""

from __future__ import annotations

import logging
import math

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.codecs import quantos as wire
from drivers.codecs.quantos import Head
from drivers.errors import ActionFailedError, CodecError, DriverError, LinkError, about
from drivers.instrument import Leave
from drivers.parts.quantos_line import QuantosLine, RefusedByQuantosError
from drivers.signals import Reading

log = logging.getLogger(__name__)

MOTION_S = 120.0
"""Lab seconds that a door, the head's pin or the autosampler may take."""
NOT_THERE = "none"


class QuantosParts(QuantosLine):
    """A Quantos without its dosings."""

    head_substance = Component(Reading, value="", kind="normal")
    head_lot = Component(Reading, value="", kind="normal")
    head_id = Component(Reading, value="", kind="normal")
    head_left_mg = Component(Reading, value=math.nan, units="mg", precision=1, kind="normal")
    """What the head's chip says is left in it; NaN where it does not say."""
    head_left_dosages = Component(Reading, value=math.nan, kind="normal")
    door = Component(Reading, value="unknown", kind="normal")
    """``open``, ``closed``, ``moving``, or ``unknown`` where it cannot be detected."""
    pan = Component(Reading, value="unknown", kind="normal")
    """``empty`` or ``loaded``."""
    sampler = Component(Reading, value="unknown", kind="normal")
    """Position of the autosampler, ``home``, or ``none`` where there is none."""

    _lots: frozenset[str] = frozenset()
    """What the lab file has on heads; empty where it does not say."""

    # -- jobs that move something

    def _move_pin(self, where: int, leave: Leave) -> Job:
        grant, heed_stops = leave
        heed_stops()
        yield from self._carry_out(wire.MOVE_PIN, where, grant, MOTION_S)

    def _move_door(self, where: wire.Door, leave: Leave) -> Job:
        grant, heed_stops = leave
        heed_stops()
        failure = yield from self._failure_of(self._carry_out(wire.MOVE_DOOR, where, grant, MOTION_S))
        at = yield from self._patiently(self._ask_door)
        self._publish(door=at.name.lower())
        if at is where:
            return
        # Where it cannot be detected, what the instrument said of the motion is all there is.
        if failure is not None or at is not wire.Door.UNKNOWN:
            raise failure or ActionFailedError(
                f"{self.name}: said that its door is {where.name.lower()}, and it is {at.name.lower()}"
            )

    def _move_sampler(self, position: int, leave: Leave) -> Job:
        grant, heed_stops = leave
        heed_stops()
        failure = yield from self._failure_of(self._carry_out(wire.MOVE_SAMPLER, position, grant, MOTION_S))
        yield from self._patiently(self._look_at_sampler)
        if self.sampler.get() != _place(position):
            raise failure or ActionFailedError(
                f"{self.name}: said that its autosampler is at {_place(position)}, and it is at {self.sampler.get()}"
            )

    def _failure_of(self, motion: Job) -> Waits[DriverError | None]:
        """Give how a motion failed that may have happened all the same; what was refused is raised."""
        try:
            yield from motion
        except (ActionFailedError, LinkError) as error:
            return error
        return None

    def _declare_empty(self, leave: Leave) -> Job:
        grant, heed_stops = leave
        heed_stops()
        yield from self._set(wire.DECLARE_EMPTY, "0", grant)
        yield from self._patiently(self._look_at_pan)

    # -- heads

    def _look_at_head(self) -> Waits[Head]:
        head = yield from self._patiently(self._ask_head)
        self._show_head(head)
        return head

    def _ask_head(self) -> Head:
        xml = self._ask_xml(wire.ASK_HEAD)
        with about(self.name):
            return wire.parse_head(xml)

    def _show_head(self, head: Head) -> None:
        self._publish(
            head_substance=head.substance,
            head_lot=head.lot,
            head_id=head.head_id,
            head_left_mg=math.nan if head.remaining_mg is None else head.remaining_mg,
            head_left_dosages=math.nan if head.remaining_dosages is None else float(head.remaining_dosages),
        )

    def _meet_head(self) -> None:
        """Read the chip of the head that is on, where one is."""
        try:
            head = self._ask_head()
        except (RefusedByQuantosError, CodecError) as error:
            log.info("%s: the head that is on is not known: %s", self.name, error)
            self._publish(head_substance="", head_lot="", head_id="", head_left_mg=math.nan, head_left_dosages=math.nan)
            return
        self._show_head(head)
        if self._lots and head.lot not in self._lots:
            log.warning("%s: the head that is on holds lot %r, which the lab file has on no head", self.name, head.lot)

    # -- looks

    def _ask_door(self) -> wire.Door:
        return wire.Door(self._ask_number(wire.ASK_DOOR, wire.DOORS))

    def _look_at_pan(self) -> None:
        self._publish(pan="loaded" if self._ask_number(wire.ASK_PAN, range(2)) else "empty")

    def _look_at_sampler(self) -> None:
        if not self._ask_number(wire.ASK_SAMPLER_ON, range(2)):
            self._publish(sampler=NOT_THERE)
            return
        self._publish(sampler=_place(self._ask_number(wire.ASK_SAMPLER, range(wire.LAST_POSITION + 1))))


def _place(position: int) -> str:
    return str(position) if position else "home"
