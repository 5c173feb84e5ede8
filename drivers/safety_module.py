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
from drivers.links.modbus import Blocks, Question

LOOK = (
    Question("discrete", wire.INPUTS, wire.INPUT_COUNT),
    Question("coils", wire.COILS, wire.COIL_COUNT),
    Question("inputs", wire.ANALOGUE, wire.ANALOGUE_COUNT),
    Question("registers", wire.HOLDING, wire.HOLDING_COUNT),
)
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
        return _parse(*self.link.read_sure(LOOK, _agree))

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
        lost: LinkError | None = None
        for _ in range(TRIES):
            try:
                while_busy(lambda: self.link.write_coil(wire.CONTACTOR, closed, grant))
            except LinkError as error:
                lost = error
            ((found,),) = self.link.read_sure((PERMIT,))
            if bool(found) is closed:
                return
        raise ActionFailedError(
            f"{self.link.device}: its contactor permit was told {TRIES} times to {'close' if closed else 'open'} "
            f"and is {'open' if closed else 'closed'}: "
            + ("is somebody else writing to the module?" if closed else "cut the furnace's power by hand")
        ) from lost

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


def _agree(first: Blocks, again: Blocks) -> bool:
    """Whether two looks may be at the same moment: all is equal but what is measured."""
    if first == again:
        return True
    (inputs, coils, analogue, holding), (inputs2, coils2, analogue2, holding2) = first, again
    states = (inputs, coils, analogue[wire.CHANNELS :], holding) == (
        inputs2,
        coils2,
        analogue2[wire.CHANNELS :],
        holding2,
    )
    near = zip(analogue[: wire.CHANNELS], analogue2[: wire.CHANNELS], strict=True)
    return states and all(abs(wire.to_signed(a) - wire.to_signed(b)) <= AGREE for a, b in near)
