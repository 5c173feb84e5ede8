"""The programmer of Eurotherm 2400 and EPC3000 controllers: programmes made of typed segments.

    22 number of the programme | 23 programmer 1 reset 2 run 4 hold 8 holdback 16 complete | 29 type of segment
    base = 8192 + 136 p: +0 holdback 0 none 1 low 2 high 3 band | +1 its value | +2 ramp units | +3 dwell units
                         0 s 1 min 2 h | +4 cycles
    base + 8 k: +0 type 0 end 1 ramp rate 2 ramp time 3 dwell 4 step | +1 target | +2 rate, tenths, or time
                +3 of an end: what then, 0 dwell 1 reset 2 off                  (instruments.md 1.3)

What a segment of its type does not use is not configured. A time is counted in seconds, tenths of a minute or tenths
of an hour, by the dwell units. Programmes are locked while one runs; the running copy (p = 0) is not simulated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sim.parts.eurotherm import EurothermUnit, Register, Wide, within
from sim.parts.programmer import EndType, Segment, Status
from sim.plant import BoxFurnace, Plant
from sim.wire.modbus_pdu import IllegalValue

PROGRAM_NUMBER, SEGMENT_TYPE = 22, 29
FIRST_BASE, PROGRAM_WORDS, SEGMENT_WORDS = 8192, 136, 8
HOLDBACK, HOLDBACK_VALUE, RAMP_UNITS, DWELL_UNITS, CYCLES = range(5)
TYPE, TARGET, NUMBER, THEN = range(4)
END, RAMP_RATE, RAMP_TIME, DWELL, STEP = range(5)

CODES = {Status.RESET: 1, Status.RUN: 2, Status.HOLD: 4, Status.END: 16}
HOLDBACK_CODE = 8
END_TYPES = {0: EndType.DWELL, 1: EndType.RESET, 2: EndType.OFF}
UNITS_MIN = {0: 1.0 / 60.0, 1: 1.0, 2: 60.0}
COUNT_S = {0: 1.0, 1: 6.0, 2: 360.0}
USED = {
    END: {TYPE, THEN},
    RAMP_RATE: {TYPE, TARGET, NUMBER},
    RAMP_TIME: {TYPE, TARGET, NUMBER},
    DWELL: {TYPE, NUMBER},
    STEP: {TYPE, TARGET},
}
"""Type of a segment -> what it has."""


@dataclass
class Stored:
    """One segment in the memory, whatever its type uses of it."""

    type: int = END
    target_degc: float = 0.0
    rate: float = 0.0
    time_s: float = 0.0
    then: int = 0


@dataclass
class Programme:
    """One programme in the memory."""

    segments: list[Stored]
    settings: dict[int, float] = field(default_factory=lambda: {0: 0.0, 1: 0.0, 2: 1.0, 3: 1.0, 4: 1.0})
    """Offset -> value."""


class SegmentedUnit(EurothermUnit):
    """The controller of one box furnace with programmes of segments."""

    SEGMENTS = 16
    PROGRAMMES = 4
    ENDS_IN_SEGMENT = True
    """Whether what happens at the end is kept in the end segment."""
    SETTINGS: Mapping[int, tuple[float, float]] = {
        HOLDBACK: (0, 3),
        HOLDBACK_VALUE: (0, 9999),
        RAMP_UNITS: (0, 2),
        DWELL_UNITS: (0, 2),
        CYCLES: (1, 999),
    }
    """Offset -> range of what belongs to a programme beside its segments."""

    def __init__(
        self, name: str, plant: Plant, furnace: BoxFurnace, unit: int, instrument_type: int, decimals: int = 0
    ) -> None:
        self._programmes = [
            Programme([Stored() for _ in range(self.SEGMENTS)], {at: low for at, (low, _) in self.SETTINGS.items()})
            for _ in range(self.PROGRAMMES)
        ]
        self._number = 1
        super().__init__(name, plant, furnace, unit, instrument_type, decimals)

    def special(self) -> Mapping[int, Register]:
        """Give what the programmer shows."""
        return {
            PROGRAM_NUMBER: Register(lambda: self._number, self._set_number),
            SEGMENT_TYPE: Register(self._segment_type),
        }

    def register(self, address: int) -> Register | None:
        """Give a register, also of the programmes."""
        number, offset = divmod(address - FIRST_BASE, PROGRAM_WORDS)
        # The memory of the last programme may be longer than those before it.
        while number > self.PROGRAMMES and offset + PROGRAM_WORDS <= self.SEGMENTS * SEGMENT_WORDS + SEGMENT_WORDS:
            number, offset = number - 1, offset + PROGRAM_WORDS
        if not 1 <= number <= self.PROGRAMMES:
            return super().register(address)
        programme = self._programmes[number - 1]
        k, word = divmod(offset, SEGMENT_WORDS)
        if k == 0:
            return self._setting(programme, word)
        return self._segment_word(programme, k, word) if k <= self.SEGMENTS else None

    def status_code(self) -> int:
        """Give what register 23 says."""
        status = Status(int(self.shown("status")))
        return HOLDBACK_CODE if status is Status.RUN and self.shown("waiting") else CODES[status]

    def set_status(self, value: float) -> None:
        """Reset, run or hold."""
        for status in (Status.RESET, Status.RUN, Status.HOLD):
            if value == CODES[status]:
                self.tell(status)
                return
        raise IllegalValue

    def tell(self, wanted: Status) -> None:
        """Have the programmer reset, run or hold."""
        match wanted:
            case Status.RUN:
                self._run()
            case Status.HOLD:
                self.programmer.hold()
            case _:
                self.programmer.reset()
        self._plant.note(f"{self.name} programmer {self.programmer.status.name.lower()}")

    def end_of(self, programme: Programme) -> int:
        """Give what happens after a programme, by its number."""
        return next((stored.then for stored in programme.segments if stored.type == END), 0)

    def _run(self) -> None:
        programme, settings = self._programmes[self._number - 1], self._programmes[self._number - 1].settings
        reading_degc = self._furnace.thermocouple_degc
        segments = tuple(self._segments(programme, reading_degc))
        self.programmer.end_type = END_TYPES[self.end_of(programme)]
        self.programmer.holdback_degc = settings[HOLDBACK_VALUE] if settings[HOLDBACK] else 0.0
        self.programmer.run(segments, reading_degc, int(settings[CYCLES]))

    def _segments(self, programme: Programme, at_degc: float) -> Iterator[Segment]:
        per_min = UNITS_MIN[int(programme.settings[RAMP_UNITS])]
        for stored in programme.segments:
            if stored.type == END:
                return
            if stored.type == DWELL:
                yield Segment(0.0, at_degc, stored.time_s)
                continue
            rate = stored.rate / per_min if stored.type == RAMP_RATE else 0.0
            yield Segment(rate, stored.target_degc, 0.0, stored.time_s if stored.type == RAMP_TIME else 0.0)
            at_degc = stored.target_degc

    # -- the memory

    def _setting(self, programme: Programme, offset: int) -> Register | None:
        limits = self.SETTINGS.get(offset)
        if limits is None or (offset == HOLDBACK_VALUE and not programme.settings[HOLDBACK]):
            return None

        def write(value: float) -> None:
            self._check_unlocked()
            programme.settings[offset] = within(value, *limits)

        return Register(lambda: programme.settings[offset], write)

    def _segment_word(self, programme: Programme, k: int, word: int) -> Register | None:
        stored = programme.segments[k - 1]
        if word not in USED[stored.type] or (word == THEN and not self.ENDS_IN_SEGMENT):
            return None
        name, most, scale, wide = self._form(programme, stored, word)

        def write(value: float) -> None:
            self._check_unlocked()
            found = within(value, 0, most)
            setattr(stored, name, int(found) if name in ("type", "then") else found)

        return Register(lambda: float(getattr(stored, name)), write, scale, wide)

    def _form(self, programme: Programme, stored: Stored, word: int) -> tuple[str, float, float | None, Wide]:
        """Where a word is kept, the most that it may be, its counts for one unit, and its 32-bit form."""
        if word == TYPE:
            return "type", STEP, 1.0, Wide.WHOLE
        if word == TARGET:
            return "target_degc", self.FULL_SCALE_DEGC, None, Wide.FLOAT
        if word == THEN:
            return "then", max(END_TYPES), 1.0, Wide.WHOLE
        if stored.type == RAMP_RATE:
            return "rate", 3276.7, 10.0, Wide.FLOAT
        count_s = COUNT_S[int(programme.settings[DWELL_UNITS])]
        return "time_s", 32767.0 * count_s, 1.0 / count_s, Wide.TIME

    def _check_unlocked(self) -> None:
        if self.programmer.status in (Status.RUN, Status.HOLD):
            raise IllegalValue  # the programmer is locked while it runs

    def _set_number(self, value: float) -> None:
        self._check_unlocked()
        self._number = int(within(value, 1, self.PROGRAMMES))

    def _segment_type(self) -> float:
        k = int(self.shown("segment"))
        return self._programmes[self._number - 1].segments[k - 1].type if k else END
