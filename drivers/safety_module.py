"""A safety module without ophyd: what a supervisor needs of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from drivers.codecs import safety_io as wire
from drivers.codecs.safety_io import SafetyReading
from drivers.errors import ActionFailedError, LinkError, WrongInstrumentError
from drivers.gate import Granted
from drivers.links import ModbusLink
from drivers.links.busy import while_busy
from drivers.links.modbus import Question

ANALOGUE = Question("inputs", wire.ANALOGUE, wire.ANALOGUE_COUNT)
LOOK = (
    Question("discrete", wire.INPUTS, wire.INPUT_COUNT),
    Question("coils", wire.COILS, wire.COIL_COUNT),
    ANALOGUE,
    Question("registers", wire.HOLDING, wire.HOLDING_COUNT),
)
UNSETTLED = 0xFFFF
"""What stands for the status of an analogue input that says something else each time."""
PERMIT = Question("coils", wire.COILS + wire.CONTACTOR, 1)
TRIES = 3
"""How often an absolute write is tried."""
AGREE = 20
"""By how many tenths two readings of an analogue input may differ right after each other."""


class SafetyModule:
    """Inputs, outputs and watchdog of one module."""

    def __init__(self, link: ModbusLink) -> None:
        self.link = link
        self._trigger = 0
        self._analogue: dict[int, int] = {}
        """Analogue inputs as they were believed last."""

    def identify(self) -> str:
        """Look at everything, one by one, so that whoever is none refuses something.

        Raises:
            LinkError: When nobody answers.
        """
        blocks = [self.link.read_together((question,)) for question in LOOK]
        return f"safety module, watchdog {_parse(*chain.from_iterable(blocks)).watchdog.name.lower()}"

    def read(self) -> SafetyReading:
        """Look at everything.

        Raises:
            LinkError: When nobody answers.
        """
        inputs, coils, analogue, holding = self._read_blocks()
        if not self.link.has_checksum:
            analogue = self._settled(analogue)
        return _parse(inputs, coils, analogue, holding)

    def read_anew(self) -> SafetyReading:
        """Look at everything, not before this was called.

        Raises:
            LinkError: When nobody answers.
        """
        return self.read()

    def set_contactor(self, closed: bool, grant: Granted) -> None:
        """Give or take the contactor's permit.

        Raises:
            ActionFailedError: When the permit does not become what it was told to be.
            LinkError: When nobody answers.
            RefusedError: When the module refuses, as it does while its watchdog is expired.
        """
        if closed:
            self._close_contactor(grant)
        else:
            self._open_contactor(grant)

    def _close_contactor(self, grant: Granted) -> None:
        """Once: whoever opens it in between must not find it closed again."""
        lost: LinkError | None = None
        try:
            self.link.write_coil(wire.CONTACTOR, True, grant)
        except LinkError as error:
            lost = error
        if not self._is_permitted():
            raise ActionFailedError(
                f"{self.link.device}: its contactor permit was told to close and is open: "
                + ("the reply was lost, try again" if lost else "did somebody else open it?")
            ) from lost

    def _open_contactor(self, grant: Granted) -> None:
        """As often as need be."""
        lost: LinkError | None = None
        for _ in range(TRIES):
            try:
                while_busy(lambda: self.link.write_coil(wire.CONTACTOR, False, grant))
            except LinkError as error:
                lost = error
            if not self._is_permitted():
                return
        raise ActionFailedError(
            f"{self.link.device}: its contactor permit was told {TRIES} times to open and is closed: "
            "cut the furnace's power by hand"
        ) from lost

    def _is_permitted(self) -> bool:
        ((found,),) = self.link.read_sure((PERMIT,))
        return bool(found)

    def _read_blocks(self) -> list[tuple[int, ...]]:
        return self.link.read_sure(LOOK, near)

    def _settled(self, analogue: tuple[int, ...]) -> tuple[int, ...]:
        """Give analogue inputs of which each counts once it came twice; one that does not has no value by itself."""
        values, states = list(analogue[: wire.CHANNELS]), list(analogue[wire.CHANNELS :])
        first = wire.ANALOGUE_STATUS - wire.CHANNELS
        normal = [i for i in range(wire.CHANNELS) if states[first + i] == 0]
        new = [i for i in normal if self._analogue.get(i) is None or _differ(values[i], self._analogue[i])]
        if new:
            again = self.link.read_together((ANALOGUE,))[0]
            for i in new:
                if _differ(again[i], values[i]):
                    states[first + i] = UNSETTLED
                values[i] = again[i]
        self._analogue = {i: values[i] for i in normal if states[first + i] == 0}
        return (*values, *states)

    def start_watchdog(self, timeout_s: float, grant: Granted) -> None:
        """Have all outputs open when nobody pets for `timeout_s` (0.1 to 6553.5).

        Raises:
            WrongInstrumentError: When the module does not keep the time that it was told.
        """
        ticks = wire.encode_timeout(timeout_s)
        while_busy(lambda: self.link.write_register(wire.WATCHDOG_TIMEOUT, ticks, grant))
        found = self.link.read_registers(wire.WATCHDOG_TIMEOUT, 1)[0]
        if found != ticks:
            raise WrongInstrumentError(
                f"{self.link.device}: its watchdog was set to {ticks} x 100 ms and holds {found}: "
                "is this a safety module?"
            )
        self.pet(grant)

    def pet(self, grant: Granted) -> None:
        """Tell the watchdog that somebody is there."""
        self._trigger = wire.next_trigger(self._trigger)
        while_busy(lambda: self.link.write_register(wire.WATCHDOG_TRIGGER, self._trigger, grant))

    def rearm(self, grant: Granted) -> None:
        """Restore the ability to close outputs after the watchdog expired; for persons only."""
        self.link.write_register(wire.RESET_CODE, wire.REARM, grant)


def _parse(
    inputs: Sequence[int], coils: Sequence[int], analogue: Sequence[int], holding: Sequence[int]
) -> SafetyReading:
    return wire.parse_reading(tuple(map(bool, inputs)), tuple(map(bool, coils)), analogue, holding)


def near(question: Question, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two readings of a block say the same, but for what is measured and for the sign of life."""
    match question.table:
        case "inputs":
            return one[wire.CHANNELS :] == other[wire.CHANNELS :]
        case "registers":
            return one[wire.WATCHDOG_TIMEOUT :] == other[wire.WATCHDOG_TIMEOUT :]
        case _:
            return one == other


def _differ(one: int, other: int) -> bool:
    return abs(wire.to_signed(one) - wire.to_signed(other)) > AGREE
