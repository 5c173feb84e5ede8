"""What Eurotherm furnace controllers have in common on Modbus: who they are, how they are looked at and written.

Each model's driver adds its programmes. Every look brackets the reading with what is said about it: the sensor-break
flag is read before, the status word after, so that a sensor that comes and goes cannot slip a number through.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from drivers.codecs import eurotherm as wire
from drivers.codecs.eurotherm import Summary, Values
from drivers.errors import ActionFailedError, CodecError, LinkError, RefusedError, WrongInstrumentError
from drivers.furnaces.controller import Look, ProgramState
from drivers.furnaces.program import OFF_DEGC, FurnaceProgram
from drivers.gate import Granted
from drivers.links import ModbusLink
from drivers.links.modbus import Canary

TRIES = 3
"""How often an absolute write is tried, and a number that came doubtful is read again."""
AGREE_DEGC = 1.0
"""How far two readings right after each other may differ, beside the digits of the coarser one."""
FLOAT_DIGIT_DEGC = 1e-3


@dataclass(frozen=True)
class Unit:
    """One controller as the lab file has it."""

    instrument_type: int | None = None
    """What register 122 must say; whatever it says at first where that is missing."""
    canary: int | None = None
    """What register 131 must say, on wires whose replies do not tell what they answer."""
    checksum: bool = True
    """Whether the wire has one."""
    decimals: int | None = None
    """What register 525 must say; whatever it says at first where that is missing."""
    output_decimals: int = 0
    ieee: bool = False
    """Whether the area of 32-bit numbers is used."""


@dataclass(frozen=True)
class Extra:
    """What one model adds to a look."""

    progress: float = math.nan
    waits: bool = False
    expired: str = ""
    changed: str = ""


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
        self._confirmed: dict[int, tuple[int, ...]] = {}
        """What was read last where the wire has no checksum, by its address."""

    @property
    def decimals(self) -> int:
        """Of temperatures; 0 until the instrument was asked."""
        return self._decimals or 0

    # -- who it is

    def identify(self) -> str:
        """Find out who answers, and how it counts."""
        found, firmware = self._read(wire.INSTRUMENT_TYPE, 1)[0], self._read(wire.FIRMWARE, 1)[0]
        if self._type is None:
            self._type = found
        if found != self._type:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.address} is of type {found:#x}, not {self._type:#x}: "
                "is this the address of another instrument, or is instrument_type in the lab file wrong?"
            )
        self._check_decimals()
        low, high = (wire.decode_degc(word, self.decimals) for word in self._read(wire.RANGE, wire.RANGE_COUNT))
        self._range_degc = wire.sane_range_degc(low, high)
        return f"Eurotherm type {found:#x}, firmware {firmware:#x}"

    def _check_decimals(self) -> None:
        found = self._read(wire.DECIMALS, 1)[0]
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
        if self.unit.canary is None:
            return self._look()
        return self.link.guarded(self._look, Canary(wire.COMMS_ADDRESS, (self.unit.canary,)))

    def state(self) -> ProgramState:
        """Ask what the programmer is at."""
        return self._state(self._read(wire.PROGRAM_STATUS, 1)[0])

    def _look(self) -> Look:
        # Neighbouring blocks have different lengths, so that a reply that slips by one is seen at once.
        flags = wire.decode_flags(self._read(wire.FLAGS, wire.FLAGS_COUNT))
        values = self._read_values()
        status = self._read(wire.PROGRAM_NUMBER, 2)[1]
        extra = self._read_extra(status)
        summary = Summary(self._read(wire.SUMMARY - 1, 2)[1])
        if not self.unit.ieee:
            self._check_decimals()
        broken = flags.sensor_break or bool(summary & (Summary.SENSOR_BREAK | Summary.OUT_OF_RANGE))
        try:
            wire.check_values(values, self._range_degc, sensor_ok=not broken)
        except CodecError as error:
            raise CodecError(f"{self.name}: {self.link.address}: {error}") from error
        return Look(
            reading_degc=math.nan if broken else values.reading_degc,
            target_degc=values.target_degc,
            setpoint_degc=values.setpoint_degc,
            output_percent=values.output_percent,
            state=self._state(status),
            sensor_fault=f"the sensor is broken or out of range (status {int(summary):#06x})" if broken else "",
            disobeys=self._disobeys(summary, flags),
            expired=extra.expired,
            alarms=wire.alarms_of(summary),
            changed=extra.changed,
            power_failed=flags.power_failed,
            waits=extra.waits,
            progress=extra.progress,
            resolution_degc=FLOAT_DIGIT_DEGC if self.unit.ieee else 10.0**-self.decimals,
        )

    def _disobeys(self, summary: Summary, flags: wire.Flags) -> str:
        if summary & Summary.MANUAL:
            return "it is in manual"
        return f"its control is frozen (register {wire.FLAGS})" if flags.frozen else ""

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
    def load(self, program: FurnaceProgram, grant: Granted) -> None:
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
        """Read registers; where the wire has no checksum, something new counts once it was read twice."""
        found = self.link.read_registers(address, count)
        if self.unit.checksum or found == self._confirmed.get(address):
            return found
        for _ in range(TRIES):
            again = self.link.read_registers(address, count)
            if again == found:
                self._confirmed[address] = found
                return found
            found = again
        raise LinkError(f"{self.name}: {self.link.address} answers something else from address {address} each time")

    def _read_values(self) -> Values:
        if not self.unit.ieee:
            return self._read_whole_values() if self.unit.checksum else self._agreed()
        fine = self._read_fine_values()
        if self.unit.checksum:
            return fine
        for _ in range(TRIES):
            if _agree(fine, self._read_whole_values(), AGREE_DEGC + 10.0**-self.decimals):
                return fine
            fine = self._read_fine_values()
        raise self._disagreement()

    def _agreed(self) -> Values:
        values = self._read_whole_values()
        for _ in range(TRIES):
            again = self._read_whole_values()
            if _agree(values, again, AGREE_DEGC):
                return again
            values = again
        raise self._disagreement()

    def _disagreement(self) -> CodecError:
        # Other decimals make two forms of one number disagree too, and are better told as what they are.
        self._check_decimals()
        return CodecError(
            f"{self.name}: {self.link.address} gives readings that do not agree, {TRIES} times in a row: "
            "is the wire disturbed, or was the instrument reconfigured?"
        )

    def _read_whole_values(self) -> Values:
        block = self.link.read_registers(wire.LIVE_BLOCK, wire.LIVE_COUNT)
        return wire.decode_values(block, self.decimals, self.unit.output_decimals)

    def _read_fine_values(self) -> Values:
        words = self.link.read_registers(wire.ieee_address(wire.LIVE_BLOCK), 2 * wire.LIVE_COUNT)
        return wire.decode_ieee_values(words)

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

    def _tell(self, address: int, values: tuple[int, ...], grant: Granted) -> LinkError | None:
        """Write once, and give how the reply was lost where it was."""
        try:
            if len(values) == 1:
                self.link.write_register(address, values[0], grant)
            else:
                self.link.write_registers(address, values, grant)
        except LinkError as error:
            return error
        except RefusedError as error:
            raise ActionFailedError(
                f"{self.name}: register {address} did not take {wire.to_signed(values[0])}: {error}; "
                "is it locked at the panel, or out of its range?"
            ) from error
        return None


def _agree(values: Values, others: Values, within_degc: float) -> bool:
    """Whether two looks are at the same thing; readings during a sensor break may be no numbers."""
    pairs = (
        (values.reading_degc, others.reading_degc),
        (values.target_degc, others.target_degc),
        (values.setpoint_degc, others.setpoint_degc),
    )
    return all(abs(a - b) <= within_degc or not math.isfinite(a) for a, b in pairs)
