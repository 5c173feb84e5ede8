"""The Quantos dosing system: powder by weight out of dosing heads, over MT-SICS lines."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Mapping
from typing import ClassVar, TypeVar

from ophyd import Component

from drivers.bus import Bus, Job
from drivers.clock import Clock
from drivers.codecs import mt_sics
from drivers.codecs import quantos as wire
from drivers.codecs.quantos import Answer, Reply
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CodecError,
    DriverError,
    LimitError,
    LinkError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.gate import Gate, Granted
from drivers.instrument import Instrument
from drivers.kinds import Kind
from drivers.links import LineLink
from drivers.pace import STEADY_S
from drivers.signals import Reading
from drivers.spec import DriverSpec, Parts
from drivers.status import ActionStatus

log = logging.getLogger(__name__)

T = TypeVar("T")

LISTEN_S = 1.0
"""Lab seconds between looks for the line that ends a long command."""
XML_S = 2.0
"""Wall seconds for a reply of many lines."""
MOTION_S = 120.0
"""Lab seconds that a door or the head's pin may take."""
WEIGH_S = 60.0
"""Lab seconds that a weight may take to be stable."""
DOSING_S = 1800.0
"""Lab seconds that a dosing may take."""


class QuantosDoser(Instrument):
    """A balance that doses powder from the head that is mounted; its limit is `mass` in mg."""

    VERBS: ClassVar[Mapping[str, str]] = {
        "dose": "dose",
        "head-info": "head_info",
        "lock-head": "lock_head",
        "unlock-head": "unlock_head",
        "open-door": "open_door",
        "close-door": "close_door",
        "tare": "tare",
        "weigh": "weigh",
        "stop-dosing": "stop_dosing",
    }
    LOOKS = frozenset({"head-info"})
    MEASURED = ("door",)

    net_mg = Component(Reading, value=math.nan, units="mg", precision=2, kind="hinted")
    """Last stable weight on the pan, without tare."""
    dosed_mg = Component(Reading, value=math.nan, units="mg", precision=2, kind="hinted")
    """What the instrument says it dosed last."""
    validity = Component(Reading, value="", kind="normal")
    head_substance = Component(Reading, value="", kind="normal")
    head_lot = Component(Reading, value="", kind="normal")
    door = Component(Reading, value="unknown", kind="normal")

    def __init__(
        self, name: str, *, gate: Gate, clock: Clock, bus: Bus, link: LineLink, limits: Mapping[str, float]
    ) -> None:
        super().__init__(name, gate=gate, clock=clock, bus=bus)
        self.link = link
        self.limits = {"mass": limits["mass"]}
        self.net_mg.limit(0.0, self.limits["mass"])
        self.dosed_mg.limit(wire.LEAST_MG, self.limits["mass"])
        self._busy = False
        self._dosing = False

    # -- verbs

    def dose(self, mass_mg: float, tolerance_mg: float, sample_id: str) -> ActionStatus:
        """Dose onto the pan what the mounted head holds, once; never repeated by itself.

        Afterwards `dosed_mg`, `net_mg`, `validity` and the head's signals tell what was done.

        Raises:
            LimitError: When the mass is above the limit, or Quantos cannot hold the tolerance.
            CommandDeniedError: When the gate refuses.
        """
        settings = self._encode(mass_mg, tolerance_mg, sample_id)
        grant, heed_stops = self._authorize_until_stopped("dose", float(mass_mg), "mg", subject=sample_id)
        return self._begin("dose", self._alone(self._dose(settings, grant, heed_stops)), grant)

    def head_info(self) -> ActionStatus:
        """Read the chip of the mounted head into `head_substance` and `head_lot`."""
        return self._begin("head-info", self._alone(self._read_head()))

    def lock_head(self) -> ActionStatus:
        """Lock the dosing head in."""
        return self._move("lock-head", wire.MOVE_PIN, wire.LOCKED)

    def unlock_head(self) -> ActionStatus:
        """Let the dosing head be taken."""
        return self._move("unlock-head", wire.MOVE_PIN, wire.UNLOCKED)

    def open_door(self) -> ActionStatus:
        """Open the front door."""
        return self._move("open-door", wire.MOVE_DOOR, wire.OPEN)

    def close_door(self) -> ActionStatus:
        """Close the front door."""
        return self._move("close-door", wire.MOVE_DOOR, wire.CLOSED)

    def tare(self) -> ActionStatus:
        """Make what is on the pan count as nothing."""
        grant = self._authorize("tare")
        return self._begin("tare", self._alone(self._tare(grant)), grant)

    def weigh(self) -> ActionStatus:
        """Wait for a stable weight, in `net_mg`."""
        grant = self._authorize("weigh")
        return self._begin("weigh", self._alone(self._weigh(grant)), grant)

    def stop_dosing(self) -> ActionStatus:
        """Stop a dosing that is under way, being prepared or queued; a gate grants this always."""
        self._note_stop()
        grant = self._authorize("stop-dosing")
        return self._begin("stop-dosing", self._halt(grant), grant)

    def stop(self, *, success: bool = False) -> None:
        """Stop a dosing that is under way or queued where `success` is False; raises nothing."""
        if success:
            return
        self._note_stop()
        if not self._busy:
            return
        try:
            self.stop_dosing()
        except DriverError as error:
            log.error("%s: the dosing could not be stopped: %s", self.name, error)

    # -- jobs

    def _alone(self, job: Job) -> Job:
        """Have one job at a time on the line: nothing may be sent while a command is under way."""
        if self._busy:
            raise BusyError(f"{self.name}: is at another command: wait for its end")
        self._busy = True
        try:
            yield from job
        finally:
            self._busy = False

    def _move(self, verb: str, command: str, where: int) -> ActionStatus:
        grant = self._authorize(verb)
        return self._begin(verb, self._alone(self._carry_out(command, f"{command} {where}", grant, MOTION_S)), grant)

    def _dose(self, settings: tuple[tuple[str, str], ...], grant: Granted, heed_stops: Callable[[], None]) -> Job:
        yield from self._read_head()
        heed_stops()
        for command, value in settings:
            self._set(command, value, grant)
        yield from self._tare(grant)
        heed_stops()
        failure = yield from self._pour(grant)
        yield from self._take_stock(grant, failure)

    def _pour(self, grant: Granted) -> Generator[float | None, None, DriverError | None]:
        """Start dosing and wait for its end; give what went wrong, as powder may have fallen all the same."""
        self._dosing = True
        try:
            yield from self._carry_out(wire.START_DOSING, wire.START_DOSING, grant, DOSING_S)
        except DriverError as error:
            return error
        finally:
            self._dosing = False
        return None

    def _halt(self, grant: Granted) -> Job:
        if self._dosing:
            self.link.send(wire.STOP_DOSING, grant)
            # The job that doses hears at once how it ended.
            self.bus.hasten(self.name)
        yield from ()

    def _take_stock(self, grant: Granted, failure: DriverError | None) -> Job:
        """Find out what lies on the pan, from the instrument's record and its balance."""
        try:
            yield from self._weigh(grant)
            result = wire.parse_result((yield from self._patiently(lambda: self._ask_xml(wire.ASK_RESULT))))
        except DriverError as error:
            raise ActionFailedError(
                f"{failure or f'{self.name}: the dosing ended'}, and the mass is unknown ({error}): "
                "weigh it before anything else is dosed"
            ) from (failure or error)
        self._publish(dosed_mg=result.content_mg, validity=result.validity)
        if failure is not None:
            raise ActionFailedError(f"{failure}; {self.net_mg.get():.2f} mg were found on the pan") from failure

    def _read_head(self) -> Job:
        head = wire.parse_head((yield from self._patiently(lambda: self._ask_xml(wire.ASK_HEAD))))
        self._publish(head_substance=head.substance, head_lot=head.lot)

    def _tare(self, grant: Granted) -> Job:
        line = yield from self._await_weight("T", grant)
        self._parsed(lambda: mt_sics.parse_weight("T", line))
        self._publish(net_mg=0.0)

    def _weigh(self, grant: Granted) -> Job:
        line = yield from self._await_weight("S", grant)
        self._publish(net_mg=self._parsed(lambda: mt_sics.parse_weight("S", line)).mass_mg)

    def _await_weight(self, command: str, grant: Granted) -> Generator[float | None, None, str]:
        """Send S or T when the weight has come to rest, so that it is answered at once."""
        give_up_s = self.clock.now() + WEIGH_S
        while not (yield from self._patiently(self._at_rest)):
            if self.clock.now() >= give_up_s:
                raise ActionFailedError(f"{self.name}: the weight did not come to rest in {WEIGH_S:g} s")
            yield self.clock.now() + LISTEN_S
        return self.link.act(command, grant, accepts=lambda line: mt_sics.answers(command, line))

    def _at_rest(self) -> bool:
        line = self.link.query("SI", accepts=lambda heard: mt_sics.answers("SI", heard))
        try:
            return mt_sics.parse_weight("SI", line).stable
        except RefusedError:
            # Busy, or more or less on the pan than it can weigh: the command itself will say which.
            return mt_sics.is_out_of_range(line)

    def _carry_out(self, command: str, line: str, grant: Granted, limit_s: float) -> Job:
        """Send a long command and wait for the line that ends it."""
        self.link.send(line, grant)
        reply = self._heard(command, self.link.read_line())
        give_up_s = self.clock.now() + limit_s
        while reply is None or reply.answer is Answer.STARTED:
            if self.clock.now() >= give_up_s:
                if command == wire.START_DOSING:
                    self.link.send(wire.STOP_DOSING, grant)
                raise ActionFailedError(f"{self.name}: {line} did not end in {limit_s:g} s")
            yield self.clock.now() + LISTEN_S
            reply = self._heard(command, self.link.read_line_if_any())
        self._check_done(line, reply)

    def _heard(self, command: str, line: str | None) -> Reply | None:
        while line is not None:
            self._seen()
            reply = self._parsed(lambda heard=line: wire.parse_reply(command, heard))  # type: ignore[misc]
            if reply is not None and reply.answer is not Answer.STARTED:
                return reply
            line = self.link.read_line_if_any()
        return None

    # -- the wire

    def _encode(self, mass_mg: float, tolerance_mg: float, sample_id: str) -> tuple[tuple[str, str], ...]:
        if not mass_mg <= self.limits["mass"]:
            raise LimitError(
                f"{self.name}: {mass_mg:g} mg requested, limit {self.limits['mass']:g} mg (limits.mass in the lab file)"
            )
        try:
            return (
                (wire.SET_TARGET, wire.encode_mass(mass_mg)),
                (wire.SET_TOLERANCE, wire.encode_tolerance(tolerance_mg, mass_mg)),
                (wire.SET_TOLERANCE_MODE, str(wire.BOTH_WAYS)),
                (wire.SET_SAMPLE, wire.encode_sample_id(sample_id)),
            )
        except LimitError as error:
            raise LimitError(f"{self.name}: {error}") from error

    def _set(self, command: str, value: str, grant: Granted) -> None:
        line = f"{command} {value}"
        answer = self.link.act(line, grant, accepts=self._answering(command))
        reply = wire.parse_reply(command, answer)
        if reply is not None:
            self._check_done(line, reply)

    def _ask(self, command: str) -> Reply:
        line = self.link.query(command, accepts=self._answering(command))
        reply = wire.parse_reply(command, line)
        if reply is None:
            raise CodecError(f"{self.name}: {line!r} does not answer {command}")
        self._check_done(command, reply)
        return reply

    def _ask_xml(self, command: str) -> str:
        """Ask for data that come between a B line and an A line."""
        first = self.link.query(command, accepts=self._answering(command))
        reply = wire.parse_reply(command, first)
        if reply is None or reply.answer is not Answer.STARTED:
            self._check_done(command, reply or Reply(Answer.NOT_DONE))
            raise CodecError(f"{self.name}: {command} gave no data: {first!r}")
        lines: list[str] = []
        while (line := self.link.read_line(XML_S)) is not None:
            end = wire.parse_reply(command, line)
            if end is not None:
                self._check_done(command, end)
                return "\n".join(lines)
            lines.append(line)
        self.link.close()
        raise LinkError(f"{self.name}: the reply to {command} broke off after {len(lines)} lines")

    def _answering(self, command: str) -> Callable[[str], bool]:
        return lambda line: wire.parse_reply(command, line) is not None

    def _check_done(self, line: str, reply: Reply) -> None:
        if reply.answer in (Answer.NOT_DONE, Answer.WRONG_PARAMETER):
            raise RefusedError(f"{self.name}: {line}: {reply.describe()}")

    def _parsed(self, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except (RefusedError, CodecError) as error:
            raise type(error)(f"{self.name}: {error}") from error

    # -- looking

    def _check_identity(self) -> str:
        serial = self._parsed(
            lambda: mt_sics.parse_text("I4", self.link.query("I4", accepts=lambda line: mt_sics.answers("I4", line)))
        )
        try:
            self._ask(wire.ASK_DOOR)
        except (RefusedError, LinkError) as error:
            raise WrongInstrumentError(
                f"{self.name}: balance {serial} answers at {self.link.url}, but is no Quantos "
                f"({error}): is the address right in the lab file?"
            ) from error
        return f"Quantos {serial}"

    def poll(self) -> float:
        """Look at the instrument, unless a command is under way: nothing may be sent then."""
        return self.clock.now() + LISTEN_S if self._busy else super().poll()

    def _look(self) -> float:
        self._publish(door=self._parsed(lambda: wire.parse_door(self._ask(wire.ASK_DOOR))).name.lower())
        return self.clock.now() + STEADY_S


def _build(parts: Parts) -> QuantosDoser:
    return QuantosDoser(**parts.base, link=parts.line(software_flow=True), limits=parts.limits)


DRIVER = DriverSpec(Kind.DOSER, QuantosDoser, _build, limits={"mass": "mg"}, limited={"dose": "mass"})
