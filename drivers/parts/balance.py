"""What every instrument that weighs over MT-SICS lines has in common: weights at rest, read twice, and tares.

No line of these instruments has a checksum. So a mass counts when two readings of it agree; what sets a tare or
zero is sent once, looked after, and never sent again before the balance was asked what became of it.

Jobs wait for the weight to come to rest in lab time, by asking for it, before they send what answers at rest only:
so every wait on the wire is short.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.codecs import mt_sics as sics
from drivers.codecs.mt_sics import Weight
from drivers.errors import (
    ActionFailedError,
    BusyError,
    DriverError,
    LinkError,
    RefusedError,
    about,
)
from drivers.gate import Granted
from drivers.links.opening import NotOpenError
from drivers.parts.sics_line import SicsLine
from drivers.plausibility import Plausible
from drivers.signals import Reading
from drivers.spec import Option, Parts

HeedStops = Callable[[], None]

LISTEN_S = 1.0
"""Lab seconds between looks at a weight that is not at rest."""
BUSY_S = 2.0
"""Lab seconds until a balance that was at something else is asked again."""
WEIGH_S = 60.0
"""Lab seconds that a weight may take to be at rest."""
DIGITS = 10.0
"""By how many of the last digit two readings of one mass may differ, where the lab file does not say."""
WEIGHING_OPTIONS = {
    "agreement": Option("how far two readings of one mass may be apart (ten of the last digit)", "mg"),
    "rest_within": Option("until when a weight must be at rest (60 s)", "s"),
    "serial": Option("the serial number that it must have (the one that it has when it is first met)"),
}


@dataclass(frozen=True)
class Weighing:
    """What a laboratory says of a balance."""

    most_mg: float
    """More than this, net, is not believed."""
    agree_mg: float | None = None
    """How far two readings of one mass may be apart; None for ten of the last digit."""
    rest_s: float = WEIGH_S
    serial: str | None = None

    @classmethod
    def of(cls, parts: Parts, most_mg: float) -> Weighing:
        """Read it from what the driver was told."""
        agree_mg, serial = parts.option("agreement"), parts.option("serial")
        return cls(
            most_mg=most_mg,
            agree_mg=None if agree_mg is None else float(agree_mg),
            rest_s=float(parts.option("rest_within", WEIGH_S)),
            serial=None if serial is None else str(serial),
        )

    def agreement_mg(self, *weights: Weight) -> float:
        """How far a second reading may be from these; the finest of them decides."""
        return DIGITS * min(weight.step_mg for weight in weights) if self.agree_mg is None else self.agree_mg


class SicsInstrument(SicsLine):
    """A balance, or what has one inside. Subclasses say in `_show` where a mass is to be seen."""

    tare_mg = Component(Reading, value=math.nan, units="mg", precision=2, kind="normal")
    """What the balance takes off every weight."""

    def __init__(self, name: str, *, weighing: Weighing, **base: Any) -> None:
        super().__init__(name, **base)
        self.weighing = weighing
        self._range = Plausible(-weighing.most_mg, weighing.most_mg, what=f"{name}: the mass on it", unit="mg")
        self._tare_known_mg: float | None = None
        """The tare that was set or seen last; None before the first look, and where it cannot be asked for."""
        self._tare_agreement_mg = 0.0
        """How far two readings of the tare may be apart."""
        self._has_tare_memory = True
        self._tare_seen: Weight | None = None

    def _show(self, mass_mg: float) -> None:
        """Publish the net mass at rest."""
        raise NotImplementedError

    # -- parts of jobs

    def _weigh(self, grant: Granted, heed_stops: HeedStops, within_s: float | None = None) -> Job:
        """Read the net mass at rest, twice, and show it; the tare must be the one that is known."""
        yield from self._use_grams(grant)
        weight = yield from self._weight_at_rest(grant, heed_stops, self._rest_by_s(within_s))
        yield from self._check_tare()
        self._show(weight.mass_mg)

    def _tare(self, grant: Granted, heed_stops: HeedStops, within_s: float | None = None) -> Job:
        """Have what is on the pan count as nothing, once."""
        by_s = self._rest_by_s(within_s)
        yield from self._use_grams(grant)
        before_mg = yield from self._patiently(self._ask_tare)
        resting = yield from self._await_rest(heed_stops, by_s)

        def in_effect() -> bool:
            wanted_mg = None if before_mg is None else before_mg + resting.mass_mg
            return self._is_empty(wanted_mg)

        yield from self._change(sics.TARE, grant, in_effect, by_s)

    def _zero(self, grant: Granted, heed_stops: HeedStops, within_s: float | None = None) -> Job:
        """Have the present load be zero and forget the tare, once."""
        by_s = self._rest_by_s(within_s)
        yield from self._use_grams(grant)
        yield from self._await_rest(heed_stops, by_s)
        yield from self._change(sics.ZERO, grant, lambda: self._is_empty(0.0), by_s)

    def _use_grams(self, grant: Granted) -> Job:
        """Have a balance that weighs in another unit weigh in grams; it may be told as often as need be."""
        unit = yield from self._patiently(self._foreign_unit)
        if unit is None:
            return
        yield from self._patiently(lambda: self._tell_balance(sics.GRAMS, grant))
        if (yield from self._patiently(self._foreign_unit)) is not None:
            raise RefusedError(f"{self.name}: weighs in {unit}, whatever {sics.GRAMS} says: set its host unit to g")

    def _foreign_unit(self) -> str | None:
        return sics.foreign_unit(self._query(sics.WEIGH_NOW))

    def _change(self, command: str, grant: Granted, in_effect: Callable[[], bool], by_s: float) -> Job:
        """Set a tare or zero, and make sure that it is in effect: an acknowledgement alone says little."""
        yield from self._act_once(command, grant, in_effect, by_s)
        if not (yield from self._patiently(in_effect)):
            # What was put on the pan in the meantime may still move it.
            yield self.clock.now() + BUSY_S
            if not (yield from self._patiently(in_effect)):
                raise ActionFailedError(
                    f"{self.name}: {command} was acknowledged and is not in effect: is something moving on the pan?"
                )
        self._tare_known_mg = yield from self._patiently(self._ask_tare)
        self._show(0.0)

    def _act_once(self, command: str, grant: Granted, in_effect: Callable[[], bool], by_s: float) -> Job:
        """Send what must not happen twice; where no answer came, ask what became of it."""
        while True:
            try:
                line = self._tell_balance(command, grant)
            except NotOpenError:
                raise  # nothing was sent
            except LinkError as error:
                yield from self._after_silence(command, grant, in_effect, error)
                return
            if not sics.is_busy(line):
                with about(self.name):
                    sics.check_done(command, line)
                return
            if self.clock.now() >= by_s:
                raise BusyError(f"{self.name}: {command}: is at something else, or not at rest ({line.strip()})")
            yield self.clock.now() + BUSY_S
            if (yield from self._patiently(in_effect)):
                return

    def _after_silence(self, command: str, grant: Granted, in_effect: Callable[[], bool], error: LinkError) -> Job:
        try:
            # A command that waits for rest would otherwise be carried out at some time or other.
            yield from self._patiently(lambda: self._cancel(grant))
            happened = yield from self._patiently(in_effect)
        except DriverError as lost:
            raise ActionFailedError(
                f"{self.name}: {command} was not answered, and whether it was carried out is unknown ({lost}): "
                "look at the balance before anything is weighed"
            ) from error
        if not happened:
            raise ActionFailedError(f"{self.name}: {command} was not answered and not carried out: ask for it again")

    def _weight_at_rest(self, grant: Granted, heed_stops: HeedStops, by_s: float) -> Waits[Weight]:
        """Read the weight at rest until two readings agree."""
        while True:
            yield from self._await_rest(heed_stops, by_s)
            first = yield from self._patiently(lambda: self._stable_weight(grant))
            second = yield from self._patiently(lambda: self._stable_weight(grant))
            why = self._disagreement(first, second)
            if second is not None and why is None:
                return second
            if self.clock.now() >= by_s:
                raise ActionFailedError(f"{self.name}: {why}")
            yield self.clock.now() + LISTEN_S

    def _disagreement(self, first: Weight | None, second: Weight | None) -> str | None:
        """Why two readings give no mass, in a sentence; None where they do."""
        if first is None or second is None:
            return "the balance gave no weight at rest: is it adjusting, or is somebody at its keys?"
        apart_mg, allowed_mg = abs(first.mass_mg - second.mass_mg), self.weighing.agreement_mg(first, second)
        if apart_mg <= allowed_mg:
            return None
        return (
            f"two readings of one mass are {apart_mg:.4g} mg apart, allowed are {allowed_mg:.4g} mg: "
            "keep draughts away, or look at its wire"
        )

    def _await_rest(self, heed_stops: HeedStops, by_s: float) -> Waits[Weight]:
        """Wait in lab time until the weight is at rest."""
        while True:
            found = yield from self._patiently(self._current)
            heed_stops()
            if found is not None and found.stable:
                return found
            if self.clock.now() >= by_s:
                seen = "the balance is at something else" if found is None else "the weight did not come to rest"
                raise ActionFailedError(
                    f"{self.name}: {seen} in the time that it was given (rest_within, {self.weighing.rest_s:g} s): "
                    "close its doors, keep off its table"
                )
            yield self.clock.now() + LISTEN_S

    def _check_tare(self) -> Job:
        """Refuse a mass whose tare was changed by nobody of us: the balance was off, or somebody was at its keys."""
        tare_mg = yield from self._patiently(self._ask_tare)
        known_mg, self._tare_known_mg = self._tare_known_mg, tare_mg
        if (said := self._tare_changed(known_mg, tare_mg)) is not None:
            raise ActionFailedError(f"{self.name}: {said}: tare again, and weigh again")

    def _tare_changed(self, known_mg: float | None, tare_mg: float | None) -> str | None:
        if known_mg is None or tare_mg is None or abs(tare_mg - known_mg) <= self._tare_agreement_mg:
            return None
        return (
            f"the tare was {known_mg:.4g} mg and is {tare_mg:.4g} mg, which nobody asked for: the balance was "
            "switched off, or tared at its keys"
        )

    # -- the wire

    def _current(self) -> Weight | None:
        """Ask for the weight as it is; None while the balance is at something else."""
        line = self._query(sics.WEIGH_NOW)
        return None if sics.is_busy(line) else self._weight(line)

    def _stable_weight(self, grant: Granted) -> Weight | None:
        try:
            line = self._tell_balance(sics.WEIGH_STABLE, grant)
        except LinkError:
            # It may still be waiting for rest, and would answer whatever is asked next.
            self._cancel(grant)
            raise
        weight = None if sics.is_busy(line) else self._weight(line)
        return weight if weight is not None and weight.stable else None

    def _weight(self, line: str) -> Weight:
        weight = self._parsed(lambda: sics.parse_current(line))
        self._range.accept(weight.mass_mg, self.clock.now())
        return weight

    def _ask_tare(self) -> float | None:
        """Ask what is taken off, twice where it is new; None where the balance does not tell."""
        if not self._has_tare_memory:
            return None
        tare = self._if_new(self._read_tare, self._tare_seen, f"{self.name}: {sics.ASK_TARE}")
        self._tare_seen = tare
        if tare is None:
            self._has_tare_memory = False
            return None
        self._publish(tare_mg=tare.mass_mg)
        self._tare_agreement_mg = self.weighing.agreement_mg(tare)
        return tare.mass_mg

    def _read_tare(self) -> Weight | None:
        line = self._query(sics.ASK_TARE)
        if sics.is_unknown_command(line):
            return None
        self._check_free(sics.ASK_TARE, line)
        return self._parsed(lambda: sics.parse_weight(sics.ASK_TARE, line))

    def _is_empty(self, tare_mg: float | None) -> bool:
        """Whether nothing is left of the load after a tare or zero, and the tare is this."""
        found = self._current()
        if found is None or abs(found.mass_mg) > self.weighing.agreement_mg(found):
            return False
        seen_mg = self._ask_tare()
        # What was on the pan when the tare was set was another reading than the one before.
        return seen_mg is None or tare_mg is None or abs(seen_mg - tare_mg) <= DIGITS * self._tare_agreement_mg

    def _rest_by_s(self, within_s: float | None) -> float:
        return self.clock.now() + (self.weighing.rest_s if within_s is None else within_s)
