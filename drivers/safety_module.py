"""A safety module without ophyd: what a supervisor needs of it."""

from __future__ import annotations

from drivers.codecs import safety_io as wire
from drivers.codecs.safety_io import SafetyReading
from drivers.errors import WrongInstrumentError
from drivers.gate import Granted
from drivers.links import ModbusLink


class SafetyModule:
    """Inputs, outputs and watchdog of one module."""

    def __init__(self, link: ModbusLink) -> None:
        self.link = link
        self._trigger = 0

    def read(self) -> SafetyReading:
        """Look at everything.

        Raises:
            LinkError: When nobody answers.
        """
        return wire.parse_reading(
            self.link.read_discrete(wire.INPUTS, wire.INPUT_COUNT),
            self.link.read_coils(wire.COILS, wire.COIL_COUNT),
            self._read_analogue(),
            self.link.read_registers(wire.HOLDING, wire.HOLDING_COUNT),
        )

    def read_anew(self) -> SafetyReading:
        """Look at everything, not before this was called.

        Raises:
            LinkError: When nobody answers.
        """
        return self.read()

    def set_contactor(self, closed: bool, grant: Granted) -> None:
        """Give or take the contactor's permit.

        Raises:
            LinkError: When nobody answers.
            RefusedError: When the module refuses, as it does while its watchdog is expired.
        """
        self.link.write_coil(wire.CONTACTOR, closed, grant)

    def start_watchdog(self, timeout_s: float, grant: Granted) -> None:
        """Have all outputs open when nobody pets for `timeout_s` (0.1 to 6553.5).

        Raises:
            WrongInstrumentError: When the module does not keep the time that it was told.
        """
        ticks = wire.encode_timeout(timeout_s)
        self.link.write_register(wire.WATCHDOG_TIMEOUT, ticks, grant)
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
        self.link.write_register(wire.WATCHDOG_TRIGGER, self._trigger, grant)

    def rearm(self, grant: Granted) -> None:
        """Restore the ability to close outputs after the watchdog expired; for persons only."""
        self.link.write_register(wire.RESET_CODE, wire.REARM, grant)

    def _read_analogue(self) -> tuple[int, ...]:
        return self.link.read_inputs(wire.ANALOGUE, wire.ANALOGUE_COUNT)
