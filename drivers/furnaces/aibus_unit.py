"""One Yudian controller on an AIBUS line, as `drivers.furnaces.programmed` uses it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.codecs import aibus as wire
from drivers.codecs import aibus_program as programs
from drivers.codecs.aibus import REPLY_BYTES, Reply, Scale, Status
from drivers.codecs.aibus_program import Format, Map, Meaning, Segment, Segments, State
from drivers.errors import ActionFailedError, CodecError, LimitError, LinkError, WrongInstrumentError
from drivers.furnaces.controller import Look, ProgramState
from drivers.furnaces.program import OFF_DEGC, FurnaceProgram
from drivers.gate import Granted
from drivers.links import FramesLink

MODELS: Mapping[int, str] = {5160: "AI-516", 5167: "AI-516P", 5180: "AI-518", 5187: "AI-518P"}
TITLES: Mapping[int, str] = {
    wire.INPUT_TYPE: "the sensor type",
    wire.DECIMALS: "the number of decimals (dPt)",
    wire.SCALE_LOW: "the low end of the scale",
    wire.SCALE_HIGH: "the high end of the scale",
    wire.MODEL_OR_STATE: "the model",
}
FINGERPRINT = (wire.INPUT_TYPE, wire.DECIMALS, wire.SCALE_LOW, wire.SCALE_HIGH)
"""What tells one unit from another, as far as it can be told: there is no serial number."""


@dataclass(frozen=True)
class Habits:
    """What a unit cannot be asked."""

    map: Map | None = None
    """The map that it must have; whichever it has where nobody says."""
    meaning: Meaning = Meaning.START
    """What the temperatures of its segments are."""
    steps_per_min: int = 1
    """How finely it counts the time of its segments."""
    write_pause_s: float = 0.05
    """Wall seconds that it needs between two writes of a programme."""


class AibusUnit:
    """The parameters of one unit, a `FurnaceController`.

    Beside programmes it has no setpoint: a temperature is held by a programme that stays there, and which counts as
    none. After a programme the unit is stopped, as it is when somebody stops it: which of the two it was shows in the
    last setpoint that was seen.
    """

    def __init__(self, name: str, link: FramesLink, unit: int, habits: Habits) -> None:
        self.name, self.link, self.unit = name, link, unit
        self._habits = habits
        self._map = habits.map or programs.V8
        self._scale = Scale(0)
        self._known: dict[int, int] | None = None
        """What was learnt at the first identification: parameter -> value."""
        self._canary = (wire.DECIMALS, 0)
        self._asked: FurnaceProgram | None = None
        """What `fit` was asked about last."""
        self._reading_degc = OFF_DEGC
        self._constant_degc: float | None = None
        """The temperature that is held, where that is all the loaded programme does."""
        self._last_degc: float | None = None
        """Where the loaded programme ends, where it is one of ours."""
        self._arrived = False
        """Whether the setpoint was there when the programme was last seen to run."""

    # -- who it is

    def identify(self) -> str:
        """Find out who answers, and learn its map and its decimals; raises as `FurnaceController` says."""
        found = {parameter: self._read(parameter).value for parameter in FINGERPRINT}
        first = self._read(wire.MODEL_OR_STATE)
        there = self._find_map(first)
        if there is programs.V8:
            found[wire.MODEL_OR_STATE] = first.value
        self._check_known(found)
        try:
            scale = wire.scale_of(found[wire.DECIMALS])
        except CodecError as error:
            raise WrongInstrumentError(f"{self.name}: {self._where}: {error}") from error
        self._map, self._scale, self._known = there, scale, found
        self._canary = _canary(found, there)
        if self._last_degc is None:
            self._constant_degc = self._format.constant_degc(self._read_segments(2))
        model = MODELS.get(first.value, f"model {first.value}") if there is programs.V8 else "AI"
        return f"Yudian {model}, unit {self.unit}, {there.name} map, dPt {found[wire.DECIMALS]}"

    def _find_map(self, first: Reply) -> Map:
        expected = self._habits.map
        if not first.has_value:
            if expected is not None:
                return expected
            raise WrongInstrumentError(
                f"{self.name}: {self._where} does not tell which map it has (parameter 15h is empty): say map in the "
                "lab file"
            )
        there = programs.map_of(first.value)
        if expected not in (None, there):
            raise WrongInstrumentError(
                f"{self.name}: {self._where} has the {there.name} map (parameter 15h is {first.value}), not "
                f"{expected.name if expected else ''}: is this the address of another instrument, or is map in the "
                "lab file wrong?"
            )
        return there

    def _check_known(self, found: Mapping[int, int]) -> None:
        known = self._known
        if known is None or known == found:
            return
        changed = [parameter for parameter in sorted({*known, *found}) if known.get(parameter) != found.get(parameter)]
        what = ", ".join(f"{TITLES[k]} was {known.get(k)} and is {found.get(k)}" for k in changed)
        raise WrongInstrumentError(
            f"{self.name}: {self._where} is not as it was when it was first asked ({what}): was it exchanged or "
            "reconfigured? Set it back, or restart the laboratory"
        )

    # -- what it is at

    def look(self) -> Look:
        """Look at reading, setpoint, output and programmer; a parameter that never changes shows that all is new."""
        state, reply, progress = self.link.guarded(self._read_look, self._check_canary)
        broken = Status.OVER_RANGE in reply.status or reply.pv >= wire.NOTHING
        reading_degc, setpoint_degc = self._scale.degc(reply.pv), self._scale.degc(reply.sv)
        self._reading_degc = OFF_DEGC if broken else reading_degc
        if state is not State.STOP:
            self._arrived = self._last_degc is not None and self._is_same(setpoint_degc, self._last_degc)
        stopped = state is State.STOP
        return Look(
            reading_degc=math.nan if broken else reading_degc,
            target_degc=OFF_DEGC if stopped or self._constant_degc is None else self._constant_degc,
            setpoint_degc=OFF_DEGC if stopped else setpoint_degc,
            output_percent=float(reply.output_percent),
            state=self._program_state(state, setpoint_degc),
            sensor_fault=f"the sensor is broken or out of range (status {int(reply.status):#04x})" if broken else "",
            progress=progress,
            resolution_degc=self._scale.resolution_degc,
        )

    def state(self) -> ProgramState:
        """Ask what the programmer is at."""
        reply = self._read(self._map.state)
        return self._program_state(self._map.decode_state(reply.value), self._scale.degc(reply.sv))

    def _program_state(self, state: State, setpoint_degc: float) -> ProgramState:
        if state is State.STOP:
            return ProgramState.END if self._arrived else ProgramState.RESET
        if self._constant_degc is not None and self._holds_constant(setpoint_degc):
            return ProgramState.RESET
        return ProgramState.RUN if state is State.RUN else ProgramState.HOLD

    def _holds_constant(self, setpoint_degc: float) -> bool:
        """Whether the setpoint that was told is in force: else somebody runs another programme."""
        if self._habits.meaning is Meaning.TARGET or self._constant_degc is None:
            return self._constant_degc is not None  # it goes there in a minute
        return self._is_same(setpoint_degc, self._constant_degc)

    def _is_same(self, one_degc: float, other_degc: float) -> bool:
        return abs(one_degc - other_degc) <= self._scale.resolution_degc * 1.01

    def _read_look(self) -> tuple[State, Reply, float]:
        reply = self._read(self._map.state)
        state, progress = self._map.decode_state(reply.value), math.nan
        if state is State.RUN and self._map.position is not None and self._map.elapsed is not None:
            segment = self._read(self._map.position).value
            reply = self._read(self._map.elapsed)
            progress = segment * 10_000.0 + reply.value
        # Every frame has reading and setpoint: those count that come in one frame with their decimals.
        reply = self._read(wire.DECIMALS)
        if self._known is not None and reply.value != self._known[wire.DECIMALS]:
            self._check_known({**self._known, wire.DECIMALS: reply.value})
        return state, reply, progress

    def _check_canary(self) -> None:
        parameter, expected = self._canary
        found = self._read(parameter).value
        if found != expected:
            raise CodecError(f"parameter {parameter:02X}h was {expected} and is {found}")

    # -- programmes

    def fit(self, program: FurnaceProgram) -> FurnaceProgram:
        """Give a programme as the unit would hold it."""
        held = self._format.fit(program)
        # Where it begins is not known yet; how many segments it takes does not depend on that.
        self._format.encode(held, self._format.first_ramp(held, self._reading_degc))
        self._asked = held
        return held

    def held(self) -> FurnaceProgram | None:
        """Give the programme that is in the unit; None where that is none, or one that only holds a temperature."""
        segments = self._read_segments(self._map.most_segments)
        if self._format.constant_degc(segments) is not None:
            return None
        if self._asked is not None and self._is_of(self._asked, segments):
            self._last_degc = self._scale.degc(segments[-1].temperature)
            return self._asked
        return self._format.decode(segments)

    def load(self, program: FurnaceProgram, grant: Granted, heed_stops: Callable[[], None]) -> None:
        """Write a programme that begins at the present reading, and read it back."""
        first_ramp = self._format.first_ramp(program, self._reading_degc)
        falls = program.steps[0].to_degc < self._reading_degc
        self._load(self._format.encode(program, first_ramp, falls=falls), grant, heed_stops)

    def run(self, grant: Granted) -> None:
        """Tell it once to run what is loaded, or to go on after a hold."""
        self._act(self._map.state, self._map.encode_state(State.RUN), grant)

    def hold(self, grant: Granted) -> None:
        """Freeze the programme."""
        self._write(self._map.state, self._map.encode_state(State.HOLD), grant)

    def end_program(self, then_degc: float, grant: Granted) -> None:
        """Stop, which ends all heating; then hold a temperature where one is asked for."""
        self._stop(grant)
        if then_degc > OFF_DEGC:
            self.set_target(then_degc, grant)

    def set_target(self, degc: float, grant: Granted) -> None:
        """Hold a temperature; 0 degC is no heating at all."""
        if degc <= OFF_DEGC:
            self._stop(grant)
            return
        self._load(self._format.constant(degc), grant, _heed_nothing)
        # From here on this counts as no programme, whatever becomes of it.
        self._last_degc, self._constant_degc = None, self._scale.degc(self._scale.encode(degc))
        with contextlib.suppress(LinkError):  # what became of it is asked, never tried again
            self.run(grant)
        state = self._map.decode_state(self._read(self._map.state).value)
        if state is not State.RUN:
            raise ActionFailedError(
                f"{self.name}: was told to hold {degc:g} degC and is in state {state.name.lower()}: is it locked at "
                "the panel?"
            )

    def _stop(self, grant: Granted) -> None:
        self._write(self._map.state, self._map.encode_state(State.STOP), grant)
        self._constant_degc = self._last_degc = None
        self._arrived = False

    def _load(self, segments: Segments, grant: Granted, heed_stops: Callable[[], None]) -> None:
        # What runs while it is rewritten would do something that nobody asked for.
        self._stop(grant)
        if self._map.count is not None:
            self._write(self._map.count, len(segments), grant)
        for number, segment in enumerate(segments):
            heed_stops()
            for parameter, value in zip(self._map.parameters(number), (segment.temperature, segment.time), strict=True):
                self._put(parameter, value, grant)
                time.sleep(self._habits.write_pause_s)
        if self._map.position is not None:
            self._write(self._map.position, 1, grant)
        found = self._read_segments(len(segments))
        for number, segment in enumerate(segments):
            there = found[number] if number < len(found) else None
            if there != segment:
                raise ActionFailedError(
                    f"{self.name}: segment {number + 1} was set to {segment} and holds {there}: is it locked at the "
                    "panel?"
                )
        self._last_degc = self._scale.degc(segments[-1].temperature)

    def _is_of(self, program: FurnaceProgram, segments: Segments) -> bool:
        """Whether segments are those of a programme, wherever its first ramp began."""
        first_ramp = segments[0].time if program.steps[0].rate_degc_per_min > 0 else 0
        try:
            return any(segments == self._format.encode(program, first_ramp, falls=falls) for falls in (False, True))
        except LimitError:
            return False  # none of this programme begins with so long a ramp

    @property
    def _format(self) -> Format:
        return Format(self._map, self._scale, self._habits.meaning, self._habits.steps_per_min)

    # -- the wire

    def _read_segments(self, most: int) -> Segments:
        """Read segments up to the one that ends the programme."""
        segments: list[Segment] = []
        while len(segments) < most and not (segments and segments[-1].ends):
            temperature, minutes = self._map.parameters(len(segments))
            segments.append(Segment(self._read(temperature).value, self._read(minutes).value))
        return tuple(segments)

    def _read(self, parameter: int) -> Reply:
        frame = self.link.query(wire.read_request(self.unit, parameter), REPLY_BYTES, check=self._check)
        return wire.decode_reply(self.unit, frame)

    def _act(self, parameter: int, value: int, grant: Granted) -> Reply:
        request = wire.write_request(self.unit, parameter, value)
        return wire.decode_reply(self.unit, self.link.act(request, grant, REPLY_BYTES, check=self._check))

    def _put(self, parameter: int, value: int, grant: Granted) -> None:
        """Set something absolutely: once more where the reply is lost and it is not set."""
        try:
            self._act(parameter, value, grant)
        except LinkError:
            if self._read(parameter).value != value:
                self._act(parameter, value, grant)

    def _write(self, parameter: int, value: int, grant: Granted) -> None:
        """Set something absolutely, and read it back."""
        self._put(parameter, value, grant)
        found = self._read(parameter).value
        if found != value:
            raise ActionFailedError(
                f"{self.name}: parameter {parameter:02X}h was set to {value} and holds {found}: is it locked at the "
                "panel?"
            )

    def _check(self, frame: bytes) -> None:
        wire.decode_reply(self.unit, frame)

    @property
    def _where(self) -> str:
        return f"unit {self.unit} at {self.link.url}"


def _canary(found: Mapping[int, int], there: Map) -> tuple[int, int]:
    """Choose a parameter that never changes, and whose value no other answer of a look has if there is such a one."""
    others = {*there.states, found[wire.DECIMALS]}
    for parameter in (wire.MODEL_OR_STATE, wire.SCALE_HIGH, wire.SCALE_LOW, wire.INPUT_TYPE):
        if parameter in found and found[parameter] not in others:
            return parameter, found[parameter]
    return wire.DECIMALS, found[wire.DECIMALS]


def _heed_nothing() -> None:
    """For one segment, which is written at once."""
