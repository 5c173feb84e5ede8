"""What Eurotherm furnace controllers have in common on Modbus: who they are, how they are looked at and written.

Each model's driver adds its programmes. Every look brackets the reading with what is said about it: the sensor-break
flag is read before, the status word after, so that a sensor that comes and goes cannot slip a number through.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from drivers.codecs import eurotherm as wire
from drivers.codecs.eurotherm import Values
from drivers.errors import (
    ActionFailedError,
    CodecError,
    DriverError,
    LinkError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.furnaces.controller import Look, ProgramState
from drivers.furnaces.program import OFF_DEGC, FurnaceProgram
from drivers.gate import Granted
from drivers.links import ModbusLink
from drivers.links.busy import is_busy
from drivers.links.modbus import BUSY_S, ModbusRefusedError, Question

TRIES = 3
"""How often an absolute write is tried, and a number that came doubtful is read again."""
AGREE_DEGC = 1.0
"""How far two readings right after each other may differ, beside the digits of the coarser one."""
FLOAT_DIGIT_DEGC = 1e-3
ILLEGAL_ADDRESS = 2


def _holding(address: int, count: int = 1) -> Question:
    return Question("registers", address, count)


FLAGS_ASKED = _holding(wire.FLAGS, wire.FLAGS_COUNT)
IEEE_VALUES = (_holding(wire.ieee_address(wire.LIVE_BLOCK), 2 * wire.LIVE_COUNT), _holding(wire.PROGRAM_STATUS))
WIDE_VALUES = (_holding(wire.LIVE_BLOCK, wire.WIDE_COUNT),)
NARROW_VALUES = (_holding(wire.LIVE_BLOCK, wire.LIVE_COUNT), _holding(wire.PROGRAM_STATUS))
SUMMARY_ASKED = _holding(wire.SUMMARY - 1, 2)
"""What a look asks for, in this order, with one of the three for the values."""


@dataclass(frozen=True)
class Unit:
    """One controller as the lab file has it."""

    instrument_type: int | None = None
    """What register 122 must say; whatever it says at first where that is missing."""
    decimals: int | None = None
    """What register 525 must say; whatever it says at first where that is missing."""
    output_decimals: int = 0
    ieee: bool = False
    """Whether the area of 32-bit numbers is used."""


class Extra(NamedTuple):
    """What one model adds to a look."""

    progress: float = math.nan
    waits: bool = False
    expired: str = ""
    changed: str = ""


class Seen(NamedTuple):
    """What every look reads."""

    flags: tuple[int, ...]
    values: tuple[int, ...]
    status: int
    summary: int
    range: tuple[int, ...] | None = None
    """Where it was read, and says something."""


class EurothermController(ABC):
    """The registers of one unit, a `FurnaceController`."""

    STATES: ClassVar[Mapping[int, ProgramState]]
    """What register 23 holds -> what that is."""
    RESET: ClassVar[int]
    HOLD: ClassVar[int]
    """What is written to register 23."""

    def __init__(self, name: str, link: ModbusLink, unit: Unit) -> None:
        """Join a unit.

        Args:
            name: Who errors are about.
            link: Its wire; register 199 is never written.
            unit: As the lab file has it.
        """
        self.name, self.link, self.unit = name, link, unit
        self._type, self._decimals = unit.instrument_type, unit.decimals
        self._range_degc = wire.SANE_DEGC
        self._range_words: tuple[int, ...] = ()
        self._judged_last: tuple[tuple[Seen, Extra], Look] | None = None
        """What was read last, and what that meant."""
        self._wide = True
        """Whether it reads over addresses that it does not have, as most do."""

    @property
    def decimals(self) -> int:
        """Of temperatures; 0 until the instrument was asked."""
        return self._decimals or 0

    # -- who it is

    def identify(self) -> str:
        """Find out who answers, and how it counts."""
        # Decimals before and after the range, whose ends count with them: they may be changed in between.
        (kind,), (firmware,), (decimals,), ends, (after,) = self._read_mistaking_nothing(
            (wire.INSTRUMENT_TYPE, 1),
            (wire.FIRMWARE, 1),
            (wire.DECIMALS, 1),
            (wire.RANGE, wire.RANGE_COUNT),
            (wire.DECIMALS, 1),
        )
        self._expect_type(kind)
        self._expect_decimals(decimals)
        self._expect_decimals(after)
        # Ends that are equal say nothing.
        self._range_words = ends if ends[0] != ends[1] else ()
        low, high = (wire.decode_degc(word, decimals) for word in ends)
        self._range_degc = wire.sane_range_degc(low, high)
        self._judged_last, self._wide = None, True
        return f"Eurotherm type {kind:#x}, firmware {firmware:#x}"

    def _expect_type(self, found: int) -> None:
        if self._type is None:
            if found in wire.TYPES:
                raise WrongInstrumentError(
                    f"{self.name}: {self.link.address} is a {wire.TYPES[found]} (type {found:#x}), which this driver "
                    "is not for: is this the address of another instrument, or driver in the lab file wrong?"
                )
            self._type = found
        if found != self._type:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.address} is of type {found:#x}, not {self._type:#x}: "
                "is this the address of another instrument, or is instrument_type in the lab file wrong?"
            )

    def _check_decimals(self) -> None:
        (found,) = self._read(wire.DECIMALS, 1)
        self._expect_decimals(found)

    def _expect_decimals(self, found: int) -> None:
        if found > wire.MOST_DECIMALS:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.address} is configured for {found} decimals (register {wire.DECIMALS}), "
                f"0 to {wire.MOST_DECIMALS} exist"
            )
        if self._decimals is None:
            self._decimals = found
        if found != self._decimals:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.address} counts temperatures with {found} decimals (register "
                f"{wire.DECIMALS}), not with {self._decimals}: it was reconfigured, or decimals in the lab file is "
                "wrong; set it back, or restart the laboratory"
            )

    # -- looking

    def look(self) -> Look:
        """Look at everything that is published."""
        if not self.link.has_checksum:
            return self._judged(self._read_all())
        if self._known_value is None:
            self._check_known()
        try:
            return self._judged(self.link.guarded(self._read_all, self._check_read))
        except LinkError:
            # Whoever was reconfigured is better told as that.
            self._check_known()
            raise

    def _check_read(self, read: tuple[Seen, Extra]) -> None:
        """See that no reply was taken for another one, and that numbers mean what they did.

        Ends of the range lie amid what is read, and count as all temperatures do.
        """
        found = read[0].range
        if found is None:
            self.link.expect(self._known_address, self._known_value or 0)
        elif found != self._range_words:
            raise CodecError(f"addresses {wire.RANGE} and {wire.RANGE + 1} hold {found}, not {self._range_words}")

    # Where numbers are whole, the decimals are what they mean; 32-bit numbers mean the same however many are shown.

    @property
    def _known_address(self) -> int:
        return wire.INSTRUMENT_TYPE if self.unit.ieee else wire.DECIMALS

    @property
    def _known_value(self) -> int | None:
        return self._type if self.unit.ieee else self._decimals

    def _check_known(self) -> None:
        (found,) = self._read(self._known_address, 1)
        self._expect_known(found)

    def _expect_known(self, found: int) -> None:
        if self.unit.ieee:
            self._expect_type(found)
        else:
            self._expect_decimals(found)

    def state(self) -> ProgramState:
        """Ask what the programmer is at."""
        return self._state(self._read(wire.PROGRAM_STATUS, 1)[0])

    def _read_all(self) -> tuple[Seen, Extra]:
        if self.link.has_checksum and not self.unit.ieee and not (self._wide and self._range_words):
            # Nothing amid the values tells what they mean, so that is asked before them as well as after.
            self._check_decimals()
        seen = self._read_look()
        return seen, self._read_extra(seen.status)

    def _judged(self, read: tuple[Seen, Extra]) -> Look:
        """Say what was seen, where that can be; the same words mean the same, and come again and again."""
        if self._judged_last is None or self._judged_last[0] != read:
            self._judged_last = read, self._judge(*read)
        return self._judged_last[1]

    def _judge(self, seen: Seen, extra: Extra) -> Look:
        flags, summary = wire.decode_flags(seen.flags), seen.summary
        values = self._decode_values(seen.values)
        broken = flags.sensor_break or bool(summary & wire.NO_READING)
        try:
            wire.check_values(values, self._range_degc, sensor_ok=not broken)
        except CodecError as error:
            raise CodecError(f"{self.name}: {self.link.address}: {error}") from error
        return Look(
            reading_degc=math.nan if broken else values.reading_degc,
            target_degc=values.target_degc,
            setpoint_degc=values.setpoint_degc,
            output_percent=values.output_percent,
            state=self._state(seen.status),
            sensor_fault=f"the sensor is broken or out of range (status {summary:#06x})" if broken else "",
            disobeys=_disobeys(summary, flags),
            expired=extra.expired,
            alarms=wire.alarms_of(summary),
            changed=extra.changed,
            power_failed=flags.power_failed,
            waits=extra.waits,
            progress=extra.progress,
            resolution_degc=FLOAT_DIGIT_DEGC if self.unit.ieee else 10.0**-self.decimals,
        )

    def _state(self, register: int) -> ProgramState:
        state = self.STATES.get(register)
        if state is None:
            known = ", ".join(str(int(code)) for code in self.STATES)
            raise CodecError(
                f"{self.name}: {self.link.address} says programme status {register}, there are {known}: "
                "is it another model?"
            )
        return state

    @abstractmethod
    def _read_extra(self, status: int) -> Extra:
        """Read what this model adds to a look, knowing what register 23 says."""

    # -- programmes

    @abstractmethod
    def fit(self, program: FurnaceProgram) -> FurnaceProgram:
        """Give a programme as the instrument would hold it."""

    @abstractmethod
    def held(self) -> FurnaceProgram | None:
        """Give the programme that is in the instrument."""

    @abstractmethod
    def load(self, program: FurnaceProgram, grant: Granted, heed_stops: Callable[[], None]) -> None:
        """Write a programme and read it back."""

    @abstractmethod
    def run(self, grant: Granted) -> None:
        """Tell it once to run, or to go on."""

    def hold(self, grant: Granted) -> None:
        """Freeze the programme."""
        self._write(wire.PROGRAM_STATUS, (self.HOLD,), grant)

    def end_program(self, then_degc: float, grant: Granted) -> None:
        """End whatever programme there is, and go to a temperature."""
        then = (wire.encode_degc(then_degc, self.decimals),)
        # The setpoint goes first: after a reset the controller holds the one from before the programme.
        self._write(wire.SETPOINT_1, then, grant)
        self._to_reset(grant)
        self._write(wire.TARGET_SETPOINT, then, grant)
        if then_degc <= OFF_DEGC:
            self._silence_manual(grant)

    def set_target(self, degc: float, grant: Granted) -> None:
        """Go to a temperature while there is no programme."""
        self._check_decimals()
        self._write(wire.TARGET_SETPOINT, (wire.encode_degc(degc, self.decimals),), grant)

    def _to_reset(self, grant: Granted) -> None:
        self._write(wire.PROGRAM_STATUS, (self.RESET,), grant)

    def _silence_manual(self, grant: Granted) -> None:
        """A controller in manual heats whatever its setpoint is, so its output is set to nothing."""
        if self._read(wire.MANUAL, 1)[0] == 1:
            self._write(wire.OUTPUT, (0,), grant)

    # -- the wire

    def _read(self, address: int, count: int) -> tuple[int, ...]:
        """Read registers, so that no reply was taken for another one."""
        return self._read_mistaking_nothing((address, count))[0]

    def _read_in_look(self, address: int, count: int) -> tuple[int, ...]:
        """Read registers in a look, which finds out by itself whether a reply was taken for another one."""
        (found,) = self.link.read_sure((_holding(address, count),), self._near)
        return found

    def _read_mistaking_nothing(self, *blocks: tuple[int, int]) -> list[tuple[int, ...]]:
        """Read blocks, on a wire whose replies do not tell what they answer with one of another length after them."""
        questions = [_holding(address, count) for address, count in blocks]
        if not self.link.has_checksum:
            return self.link.read_sure(questions, self._near)
        last = blocks[-1][1]
        after = (wire.FLAGS, wire.FLAGS_COUNT) if last != wire.FLAGS_COUNT else (wire.RANGE, wire.RANGE_COUNT)
        return self.link.guarded(
            lambda: self.link.read_together(questions), lambda _: _ignore(self.link.read_registers(*after))
        )

    def _read_look(self) -> Seen:
        """Read what every look takes."""
        try:
            return self._read_seen()
        except ModbusRefusedError as error:
            if not self._wide or self.unit.ieee or error.code != ILLEGAL_ADDRESS:
                raise
            # Not everyone reads over addresses that it does not have.
            self._wide = False
            return self._read_seen()

    def _read_seen(self) -> Seen:
        questions = self._questions()
        blocks = self.link.read_sure(questions, self._near)
        if not self.link.has_checksum:
            self._expect_known(blocks[-1][0])
        return self._seen(blocks)

    def _questions(self) -> tuple[Question, ...]:
        """What every look reads; neighbours differ in length, so that a reply that slips by one is seen at once."""
        values = IEEE_VALUES if self.unit.ieee else WIDE_VALUES if self._wide else NARROW_VALUES
        asked = (FLAGS_ASKED, *values, SUMMARY_ASKED)
        return asked if self.link.has_checksum else (*asked, _holding(self._known_address))

    def _seen(self, blocks: Sequence[tuple[int, ...]]) -> Seen:
        flags, values, *rest = blocks
        if len(values) == wire.WIDE_COUNT:
            ends = values[wire.RANGE - wire.LIVE_BLOCK :][: wire.RANGE_COUNT]
            return Seen(flags, values[: wire.LIVE_COUNT], values[-1], rest[0][1], ends if self._range_words else None)
        return Seen(flags, values, rest[0][0], rest[1][1])

    def _decode_values(self, words: Sequence[int]) -> Values:
        if self.unit.ieee:
            return wire.decode_ieee_values(words)
        return wire.decode_values(words, self.decimals, self.unit.output_decimals)

    def _near(self, question: Question, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        """Whether two readings of a block say the same; temperatures may have gone on a little."""
        if question.address not in {wire.LIVE_BLOCK, wire.ieee_address(wire.LIVE_BLOCK)}:
            return one == other
        width = 2 * wire.LIVE_COUNT if self.unit.ieee else wire.LIVE_COUNT
        ends = slice(wire.RANGE - wire.LIVE_BLOCK, wire.RANGE - wire.LIVE_BLOCK + wire.RANGE_COUNT)
        same = (one[ends], one[width:][-1:]) == (other[ends], other[width:][-1:]) if len(one) > width else True
        return same and _agree(self._decode_values(one[:width]), self._decode_values(other[:width]), AGREE_DEGC)

    def _write(self, address: int, values: Sequence[int], grant: Granted) -> None:
        """Write registers and read them back; again where the reply was lost, for what is written is absolute."""
        wanted = tuple(values)
        for tries_left in reversed(range(TRIES)):
            lost = self._tell(address, wanted, grant)
            found = self._read(address, len(wanted))
            if found == wanted:
                return
            if lost is None or not tries_left:
                break
        wrong = next(i for i, value in enumerate(wanted) if found[i] != value)
        raise ActionFailedError(
            f"{self.name}: register {address + wrong} was set to {wire.to_signed(wanted[wrong])} "
            f"and holds {wire.to_signed(found[wrong])}: is it locked at the panel?"
        ) from lost

    def _tell(self, address: int, values: tuple[int, ...], grant: Granted) -> DriverError | None:
        """Write once, and give how the reply was lost where it was, or that the instrument is busy."""
        try:
            if len(values) == 1:
                self.link.write_register(address, values[0], grant)
            else:
                self.link.write_registers(address, values, grant)
        except LinkError as error:
            return error
        except RefusedError as error:
            if is_busy(error):
                time.sleep(BUSY_S)
                return error
            raise ActionFailedError(
                f"{self.name}: register {address} did not take {wire.to_signed(values[0])}: {error}; "
                "is it locked at the panel, or out of its range?"
            ) from error
        return None


def _disobeys(summary: int, flags: wire.Flags) -> str:
    if summary & wire.MANUAL_MODE:
        return "it is in manual"
    return f"its control is frozen (register {wire.FLAGS})" if flags.frozen else ""


def _ignore(_: tuple[int, ...]) -> None:
    """What was read told all by its length."""


def _agree(values: Values, others: Values, within_degc: float) -> bool:
    """Whether two looks are at the same thing; readings during a sensor break may be no numbers."""
    pairs = (
        (values.reading_degc, others.reading_degc),
        (values.target_degc, others.target_degc),
        (values.setpoint_degc, others.setpoint_degc),
    )
    return all(abs(a - b) <= within_degc or not math.isfinite(a) for a, b in pairs)
