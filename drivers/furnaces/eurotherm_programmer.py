"""Programmes made of segments: Eurotherm 2400 and EPC3000 have the same map, and start them differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from drivers.codecs import eurotherm as wire
from drivers.codecs import eurotherm_segments as program_wire
from drivers.codecs.eurotherm_segments import UNIT_CODES, Kind, Segment, Status, Units
from drivers.errors import ActionFailedError
from drivers.furnaces.controller import ProgramState
from drivers.furnaces.eurotherm_registers import EurothermController, Extra, Unit
from drivers.furnaces.program import FurnaceProgram
from drivers.gate import Granted
from drivers.links import ModbusLink
from drivers.spec import Option

ONCE = 1
"""How often a programme is run through."""

UNIT_OPTIONS: Mapping[str, Option] = {
    "rate_per": Option("for which time a ramp is, and the ramp units are set: s, min or h (min)"),
    "dwell_units": Option("what the dwell units are set to: s, min or h"),
}
"""What a lab file may say about the counting of both; `dwell_count` and `end_type` have defaults of their own."""


class SegmentedProgrammer(EurothermController):
    """The programme of a 2400 or EPC3000."""

    STATES: ClassVar[Mapping[int, ProgramState]] = {
        Status.RESET: ProgramState.RESET,
        Status.RUN: ProgramState.RUN,
        Status.HOLD: ProgramState.HOLD,
        Status.HOLDBACK: ProgramState.RUN,
        Status.COMPLETE: ProgramState.END,
    }
    RESET, HOLD = Status.RESET, Status.HOLD
    SEGMENTS: ClassVar[int]
    """How many there are in a programme."""
    PROGRESS: ClassVar[int]
    """A register with the time that is left of something."""

    def __init__(self, name: str, link: ModbusLink, unit: Unit, units: Units, program: int = 1) -> None:
        """Join a unit.

        Args:
            name: Who errors are about.
            link: Its wire.
            unit: As the lab file has it.
            units: In which the programme counts.
            program: The number of the programme that is ours.
        """
        super().__init__(name, link, unit)
        self._units, self._program = units, program
        self._base = program_wire.base_of(program)

    def fit(self, program: FurnaceProgram) -> FurnaceProgram:
        """Give a programme as the segments hold it."""
        fitted = program_wire.decode_program(self._encode(program), self.decimals, self._units)
        return program if fitted is None else fitted

    def held(self) -> FurnaceProgram | None:
        """Give the programme that is in the segments."""
        if self._read(wire.PROGRAM_NUMBER, 1)[0] != self._program:
            return None
        found: list[Segment] = []
        for k in range(1, self.SEGMENTS + 1):
            segment = program_wire.decode_segment(self._read_segment(k))
            if segment is None:
                return None
            found.append(segment)
            if segment.kind is Kind.END:
                break
        return program_wire.decode_program(found, self.decimals, self._units)

    def load(self, program: FurnaceProgram, grant: Granted, heed_stops: Callable[[], None]) -> None:
        """Write settings and segments one by one, and read each back."""
        self._check_decimals()
        self._to_reset(grant)
        self._write(wire.PROGRAM_NUMBER, (self._program,), grant)
        for offset, value in self._settings().items():
            heed_stops()
            self._write(self._base + offset, (value,), grant)
        for k, segment in enumerate(self._encode(program), start=1):
            self._write_segment(k, segment, grant, heed_stops)

    def _settings(self) -> dict[int, int]:
        """What belongs to a programme beside its segments: offset -> value."""
        return {
            program_wire.HOLDBACK: program_wire.HOLDBACK_NONE,
            program_wire.RAMP_UNITS: UNIT_CODES[self._units.rate_per],
            program_wire.DWELL_UNITS: UNIT_CODES[self._units.dwell_units],
            program_wire.CYCLES: ONCE,
        }

    def _write_segment(self, k: int, segment: Segment, grant: Granted, heed_stops: Callable[[], None]) -> None:
        # One by one: a block would leave out what is not configured without a word, a single write is refused.
        at = program_wire.segment_at(self._base, k)
        for offset, value in {0: int(segment.kind), **segment.words, **self._beside(segment)}.items():
            heed_stops()
            self._write(at + offset, (value,), grant)
        if program_wire.decode_segment(self._read_segment(k)) != segment:
            raise ActionFailedError(
                f"{self.name}: segment {k} of its programme (register {at}) is not what was written: "
                "is somebody at the panel?"
            )

    def _beside(self, segment: Segment) -> dict[int, int]:
        """What a model keeps in a segment beside what they all do: offset -> value."""
        return {}

    def _read_segment(self, k: int) -> tuple[int, ...]:
        return self._read(program_wire.segment_at(self._base, k), program_wire.READ_WORDS)

    def _encode(self, program: FurnaceProgram) -> tuple[Segment, ...]:
        return program_wire.encode_program(program, self.decimals, self._units, self.SEGMENTS)

    def _read_extra(self, status: int) -> Extra:
        if status != Status.RUN:
            return Extra(waits=status == Status.HOLDBACK)
        return Extra(progress=wire.decode_progress(self._read_in_look(self.PROGRESS, 1)[0]))
