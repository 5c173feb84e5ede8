"""The Quantos dosing system: powder by weight out of dosing heads, over MT-SICS lines."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ophyd import Component

from drivers.bus import Job, Waits
from drivers.codecs import mt_sics as sics
from drivers.codecs import quantos as wire
from drivers.codecs.quantos import DosingResult, Head
from drivers.errors import ActionFailedError, DriverError, LimitError, RefusedError, WrongInstrumentError, about
from drivers.gate import Granted
from drivers.instrument import Leave
from drivers.kinds import Kind
from drivers.pace import STEADY_S
from drivers.parts.balance import WEIGHING_OPTIONS, Weighing
from drivers.parts.quantos_line import UnheardEndError
from drivers.parts.quantos_parts import QuantosParts
from drivers.signals import Reading
from drivers.spec import DriverSpec, Option, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

DOSING_S = 1800.0
"""Lab seconds that a dosing may take, where the lab file does not say."""
RECORD_MG = 1.0
"""How far the record of a dosing may be from what its balance shows, where the lab file does not say."""


@dataclass(frozen=True)
class Order:
    """What is to be dosed."""

    mass_mg: float
    tolerance_mg: float
    sample_id: str
    lot: str | None
    """What the head must hold; None for whatever the lab file allows."""
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Dosing:
    """What a laboratory says of a doser."""

    most_mg: float
    lots: frozenset[str] = frozenset()
    """What the heads hold; empty where nobody says."""
    settings: tuple[tuple[str, str], ...] = ()
    """Command and value of what is set before every dosing."""
    within_s: float = DOSING_S
    record_mg: float = RECORD_MG


class QuantosDoser(QuantosParts):
    """A balance that doses powder from the head that is mounted; its limit is `mass` in mg."""

    VERBS: ClassVar[Mapping[str, str]] = {
        "dose": "dose",
        "head-info": "head_info",
        "lock-head": "lock_head",
        "unlock-head": "unlock_head",
        "open-door": "open_door",
        "close-door": "close_door",
        "move-sampler": "move_sampler",
        "declare-pan-empty": "declare_pan_empty",
        "tare": "tare",
        "zero": "zero",
        "weigh": "weigh",
        "stop-dosing": "halt",
    }
    STOP_VERB = "stop-dosing"
    LOOKS = frozenset({"head-info"})
    MEASURED = ("door", "pan", "sampler")

    net_mg = Component(Reading, value=math.nan, units="mg", precision=2, kind="hinted")
    """Last stable weight on the pan, without tare."""
    dosed_mg = Component(Reading, value=math.nan, units="mg", precision=2, kind="hinted")
    """What the instrument says it dosed last."""
    validity = Component(Reading, value="", kind="normal")

    def __init__(self, name: str, *, dosing: Dosing, **base: Any) -> None:
        super().__init__(name, **base)
        self.limits = {"mass": dosing.most_mg}
        self.net_mg.limit(0.0, dosing.most_mg)
        self.dosed_mg.limit(wire.LEAST_MG, dosing.most_mg)
        self._told, self._lots = dosing, dosing.lots
        self._dosing = False

    # -- verbs

    def dose(self, mass_mg: float, tolerance_mg: float, sample_id: str, lot: str | None = None) -> ActionStatus:
        """Dose onto the pan what the mounted head holds, once; never repeated by itself.

        Afterwards `dosed_mg`, `net_mg`, `validity` and the head's signals tell what was done.

        Args:
            mass_mg: How much.
            tolerance_mg: How far from it the result may be.
            sample_id: One word of up to 20 characters.
            lot: What the head must hold, by its chip; what the lab file has on heads where it is missing.

        Raises:
            LimitError: When the mass is above the limit, or Quantos cannot hold the tolerance.
            CommandDeniedError: When the gate refuses.
        """
        order = Order(mass_mg, tolerance_mg, sample_id, lot, self._encode(mass_mg, tolerance_mg, sample_id))
        return self._do("dose", lambda leave: self._dose(order, leave), float(mass_mg), "mg", subject=sample_id)

    def head_info(self) -> ActionStatus:
        """Read the chip of the mounted head into the head's signals."""
        return self._begin("head-info", self._alone(self._head_info()))

    def lock_head(self) -> ActionStatus:
        """Lock the dosing head in."""
        return self._do("lock-head", lambda leave: self._move_pin(wire.LOCKED, leave))

    def unlock_head(self) -> ActionStatus:
        """Let the dosing head be taken."""
        return self._do("unlock-head", lambda leave: self._move_pin(wire.UNLOCKED, leave))

    def open_door(self) -> ActionStatus:
        """Open the front door."""
        return self._do("open-door", lambda leave: self._move_door(wire.Door.OPEN, leave))

    def close_door(self) -> ActionStatus:
        """Close the front door."""
        return self._do("close-door", lambda leave: self._move_door(wire.Door.CLOSED, leave))

    def move_sampler(self, position: int) -> ActionStatus:
        """Bring a position of the autosampler under the head, 1 to 30, or bring it home with 0.

        Raises:
            LimitError: When there is no such position.
        """
        with about(self.name):
            wire.encode_position(position)
        return self._do("move-sampler", lambda leave: self._move_sampler(position, leave), float(position))

    def declare_pan_empty(self) -> ActionStatus:
        """Tell the instrument that nothing stands on its pan now."""
        return self._do("declare-pan-empty", self._declare_empty)

    def tare(self) -> ActionStatus:
        """Make what is on the pan count as nothing, once it is at rest; never repeated by itself."""
        return self._do("tare", lambda leave: self._tare(*leave))

    def zero(self) -> ActionStatus:
        """Make the present load zero and forget the tare, once it is at rest; never repeated by itself."""
        return self._do("zero", lambda leave: self._zero(*leave))

    def weigh(self) -> ActionStatus:
        """Wait for a stable weight, in `net_mg`."""
        return self._do("weigh", lambda leave: self._weigh(*leave))

    # -- the job that doses

    def _dose(self, order: Order, leave: Leave) -> Job:
        grant, heed_stops = leave
        head = yield from self._look_at_head()
        self._check_head(head, order)
        heed_stops()
        for command, value in order.settings:
            yield from self._set(command, value, grant)
            heed_stops()
        yield from self._tare(grant, heed_stops)
        heed_stops()
        failure = yield from self._pour(grant)
        yield from self._take_stock(order, head, grant, failure)

    def _pour(self, grant: Granted) -> Waits[DriverError | None]:
        """Start dosing and wait for its end; give what went wrong, as powder may have fallen all the same."""
        self._dosing = True
        try:
            yield from self._carry_out(wire.START_DOSING, None, grant, self._told.within_s)
        except DriverError as error:
            return error
        finally:
            self._dosing = False
        return None

    def _halt(self, grant: Granted) -> Job:
        """Stop a dosing that is under way; one that is being prepared or queued does not begin."""
        if self._dosing:
            yield from self._stop_now(grant)
            # The job that doses hears at once how it ended.
            self.bus.hasten(self.name)

    def _take_stock(self, order: Order, head: Head, grant: Granted, failure: DriverError | None) -> Job:
        """Find out what lies on the pan, from the instrument's record and its balance."""
        self._publish(net_mg=math.nan, dosed_mg=math.nan, validity="")
        try:
            # A stop must not keep anybody from knowing what has fallen.
            weight = yield from self._weight_at_rest(grant, lambda: None, self._rest_by_s(None))
            self._publish(net_mg=weight.mass_mg)
            result = yield from self._patiently(self._ask_result)
        except DriverError as error:
            raise ActionFailedError(
                f"{failure or f'{self.name}: the dosing ended'}, and the mass is unknown ({error}): "
                "weigh it before anything else is dosed"
            ) from (failure or error)
        doubts = self._doubts(order, head, result, weight.mass_mg)
        if not doubts:
            self._publish(dosed_mg=result.content_mg, validity=result.validity)
        if isinstance(failure, UnheardEndError) and not doubts and self._is_done(order, result, weight.mass_mg):
            log.warning("%s, and its record and its balance say that it was done", failure)
            return
        if failure is not None or doubts:
            said = [str(failure)] if failure is not None else [f"{self.name}: the dosing ended"]
            found = f"{weight.mass_mg:.2f} mg were found on the pan"
            raise ActionFailedError("; ".join((*said, found, *doubts))) from failure

    def _is_done(self, order: Order, result: DosingResult, net_mg: float) -> bool:
        """Whether record and balance both say that what was ordered is there."""
        return all(abs(found_mg - order.mass_mg) <= order.tolerance_mg for found_mg in (result.content_mg, net_mg))

    def _doubts(self, order: Order, head: Head, result: DosingResult, net_mg: float) -> tuple[str, ...]:
        """Why the instrument's record cannot be that of this dosing, in sentences."""
        meant = (
            ("sample", result.sample_id, order.sample_id),
            ("lot", result.lot, head.lot),
            ("target", "" if result.target_mg is None else wire.encode_mass(result.target_mg), order.settings[0][1]),
        )
        wrong = [(what, seen, told) for what, seen, told in meant if seen not in ("", told)]
        doubts = [f"its record is of {what} {seen}, meant was {told}" for what, seen, told in wrong]
        if abs(net_mg) < wire.LEAST_MG:
            doubts.append("it felt nothing fall: is its head empty, or its balance stuck? Look at the pan")
        if not abs(result.content_mg - net_mg) <= self._told.record_mg:
            doubts.append(f"its record says {result.content_mg:.2f} mg: weigh it before anything else is dosed")
        return tuple(doubts)

    # -- heads

    def _head_info(self) -> Job:
        yield from self._look_at_head()

    def _check_head(self, head: Head, order: Order) -> None:
        """Refuse powder that is not meant; the chip of the head is asked before each dosing."""
        allowed = {order.lot} if order.lot is not None else self._lots
        if allowed and head.lot not in allowed:
            raise RefusedError(
                f"{self.name}: the head that is on holds lot {head.lot!r}, meant is "
                f"{' or '.join(repr(lot) for lot in sorted(allowed))}: put the right head on, or correct the lab file"
            )
        if head.remaining_dosages == 0:
            raise RefusedError(f"{self.name}: the head with lot {head.lot!r} has no dosages left: refill or replace it")
        if head.remaining_mg is not None and head.remaining_mg < order.mass_mg:
            said = "%s: %g mg are to come out of a head that says it holds %g mg"
            log.warning(said, self.name, order.mass_mg, head.remaining_mg)

    def _encode(self, mass_mg: float, tolerance_mg: float, sample_id: str) -> tuple[tuple[str, str], ...]:
        if not mass_mg <= self.limits["mass"]:
            raise LimitError(
                f"{self.name}: {mass_mg:g} mg requested, limit {self.limits['mass']:g} mg (limits.mass in the lab file)"
            )
        with about(self.name):
            order = {
                wire.SET_TARGET: wire.encode_mass(mass_mg),
                wire.SET_TOLERANCE: wire.encode_tolerance(tolerance_mg, mass_mg),
                wire.SET_TOLERANCE_MODE: str(wire.BOTH_WAYS),
                wire.SET_SAMPLE: wire.encode_sample_id(sample_id),
            }
        return tuple({**order, **dict(self._told.settings)}.items())

    # -- looking

    def _show(self, mass_mg: float) -> None:
        self._publish(net_mg=mass_mg)

    def _ask_result(self) -> DosingResult:
        xml = self._ask_xml(wire.ASK_RESULT)
        with about(self.name):
            return wire.parse_result(xml)

    def _check_identity(self) -> str:
        serial = self._recognize(self.weighing.serial)
        try:
            self._ask(wire.ASK_DOOR)
        except RefusedError as error:
            if getattr(error, "code", None) != wire.BUSY:
                raise WrongInstrumentError(
                    f"{self.name}: balance {serial} answers at {self.link.url}, but is no Quantos "
                    f"({error}): is the address right in the lab file?"
                ) from error
        self._meet_head()
        return f"Quantos {serial}"

    def _look(self) -> float:
        self._publish(door=self._ask_door().name.lower())
        for look, signal in ((self._look_at_pan, "pan"), (self._look_at_sampler, "sampler")):
            try:
                look()
            except RefusedError as error:
                # Somebody at its keys, or a model without it; whether it answers is known from the door.
                log.debug("%s: %s", self.name, error)
                self._publish(**{signal: "unknown"})
        return self.clock.now() + STEADY_S


def _settings(name: str, told: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    try:
        for setting, value in told.items():
            yield wire.encode_setting(setting, value)
    except LimitError as error:
        raise LimitError(f"{name}: {error} (options in the lab file)") from error


def _build(parts: Parts) -> QuantosDoser:
    told = {name: parts.option(name) for name in wire.SETTINGS}
    dosing = Dosing(
        most_mg=parts.limits["mass"],
        lots=frozenset(str(lot) for lot in parts.option("heads", {}).values()),
        settings=tuple(_settings(parts.name, {name: value for name, value in told.items() if value is not None})),
        within_s=float(parts.option("dosing_within", DOSING_S)),
        record_mg=float(parts.option("record_agreement", RECORD_MG)),
    )
    weighing = Weighing.of(parts, wire.MOST_MG)
    return QuantosDoser(
        **parts.base, link=parts.line(software_flow=True, unasked=sics.is_weight), weighing=weighing, dosing=dosing
    )


AS_IT_IS = "(as it is set at the instrument)"

DRIVER = DriverSpec(
    Kind.DOSER,
    QuantosDoser,
    _build,
    limits={"mass": "mg"},
    limited={"dose": "mass"},
    options={
        **WEIGHING_OPTIONS,
        "heads": Option("dosing head -> the lot on it; the laboratory fills it in, and other lots are not dosed"),
        "dosing_within": Option("until when a dosing must have ended, or is stopped (1800 s)", "s"),
        "record_agreement": Option("how far a dosing's record may be from what the balance shows (1 mg)", "mg"),
        "tap_before": Option(f"1 to tap before a dosing, 0 not to {AS_IT_IS}"),
        "tap_while": Option(f"1 to tap during a dosing, 0 not to {AS_IT_IS}"),
        "tap_intensity": Option(f"of the tapping, 10 to 100 percent {AS_IT_IS}"),
        "tap_time": Option(f"of the tapping before a dosing, 1 to 10 s {AS_IT_IS}"),
        "tolerance_mode": Option("0 for a tolerance both ways, 1 for above the target alone (0)"),
        "algorithm": Option(f"0 standard, 1 advanced {AS_IT_IS}"),
        "antistatic": Option(f"1 to use the ioniser, 0 not to {AS_IT_IS}"),
        "user_id": Option(f"one word of up to 20 characters {AS_IT_IS}"),
    },
)
