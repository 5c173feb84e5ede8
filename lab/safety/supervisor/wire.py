"""What the supervisor does over one connection to a safety module; it is its own gate.

Writing a watchdog's timeout counts as a sign of life, so that is done where a reading shows it to be needed, and not
at each new connection: one that comes and goes must not keep alive what no scan has judged.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.address import ModbusAddress, SocketAddress, parse_address
from drivers.codecs import safety_io as wire
from drivers.codecs.safety_io import SafetyReading, WatchdogState
from drivers.errors import BadAddressError, LinkError, WrongInstrumentError
from drivers.gate import Command, Granted
from drivers.links import ModbusLink, ModbusPort
from drivers.links.busy import while_busy
from drivers.safety_module import LOOK, SafetyModule, near
from drivers.transcript import NoTranscript

PATIENT_S = 0.25
"""In-flight timeout of the lane that reads: a scan does not wait for it, and a new connection costs more than a reply
that is late because somebody else needs the processor."""
PROMPT_S = 0.1
"""In-flight timeout of the lane that switches: after that it tries once more, over a new connection."""
SERIAL_QUIET_S = 0.05

Now = Callable[[], float]


class SafetyWire(SafetyModule):
    """One connection to one module."""

    def __init__(self, link: ModbusLink, port: ModbusPort, now: Now) -> None:
        """Take over a link.

        Args:
            link: The unit.
            port: The connection below it, which no other link uses.
            now: Lab time, which grants carry.
        """
        super().__init__(link)
        self._port = port
        self._now = now
        self._last_trigger: int | None = None
        self._last: list[tuple[int, ...]] | None = None
        """What was read last and believed."""

    def _read_blocks(self) -> list[tuple[int, ...]]:
        """Once while nothing is new, for a scan must not be late; what is new counts once it came twice.

        An answer that is spoiled into what was so before delays what it hides by one scan.
        """
        found = self.link.read_together(LOOK)
        if self.link.has_checksum:
            return found
        if self._last is None or not all(map(near, LOOK, found, self._last)):
            first, found = found, self.link.read_together(LOOK)
            if not all(map(near, LOOK, found, first)):
                raise LinkError(f"{self.link.device}: answers something else each time: is the wire disturbed?")
        self._last = found
        return found

    def set_output(self, coil: int, closed: bool) -> None:
        """Close or open one output, 0 to 3; one that is opened is told again while the module is busy.

        Raises:
            LinkError: When nobody answers.
            RefusedError: When the module refuses, as it does to close while its watchdog is expired.
        """
        if closed:
            # Once: what opens it in between must not find it closed again, and leave to close is soon void.
            self.link.write_coil(wire.COILS + coil, True, self._grant("close-output"))
        else:
            while_busy(lambda: self.link.write_coil(wire.COILS + coil, False, self._grant("open-output")))

    def output(self, coil: int) -> bool:
        """What one output is told to be, 0 to 3; also a light way to see that the connection is open."""
        return self.link.read_coils(wire.COILS + coil, 1)[0]

    def toggle(self) -> None:
        """Tell the watchdog that a complete scan was judged; again while the module is busy."""
        if self._last_trigger is None:
            # Whoever was here before may have left the very number that we would begin with: no change, no effect.
            self._last_trigger = self.link.read_registers(wire.WATCHDOG_TRIGGER, 1)[0]
        trigger = self._last_trigger = wire.next_trigger(self._last_trigger)
        while_busy(lambda: self.link.write_register(wire.WATCHDOG_TRIGGER, trigger, self._grant("pet")))

    def watches(self, reading: SafetyReading, timeout_s: float) -> bool:
        """Whether the watchdog was found with this timeout, running or expired."""
        ticks = round(reading.watchdog_timeout_s / wire.TICK_S)
        return reading.watchdog is not WatchdogState.OFF and ticks == wire.encode_timeout(timeout_s)

    def set_watchdog(self, timeout_s: float) -> None:
        """Give the watchdog its timeout, 0.1 to 6553.5 s, which starts it unless it has expired.

        Raises:
            WrongInstrumentError: When the module does not keep the time that it was told.
        """
        ticks = wire.encode_timeout(timeout_s)
        while_busy(lambda: self.link.write_register(wire.WATCHDOG_TIMEOUT, ticks, self._grant("start-watchdog")))
        found = self.link.read_registers(wire.WATCHDOG_TIMEOUT, 1)[0]
        if found != ticks:
            raise WrongInstrumentError(
                f"{self.link.device}: its watchdog was set to {ticks} x 100 ms and holds {found}: "
                "is this a safety module?"
            )

    def restore(self) -> None:
        """Have outputs be closable again after the watchdog expired; for persons only."""
        self.rearm(self._grant("rearm"))

    def close(self) -> None:
        """Let go of the connection; the next verb opens it again."""
        self._port.close()

    def _grant(self, verb: str) -> Granted:
        return Granted(Command(self.link.device, verb), self._now())


def open_wire(name: str, address: str, now: Now, timeout_s: float, *, baud: int = 9600) -> SafetyWire:
    """Make one more connection to a module; nothing is opened before its first use.

    Args:
        name: The module.
        address: Where it is.
        now: Lab time.
        timeout_s: Wall seconds until a reply is given up; a serial line has at least `PATIENT_S`.
        baud: Of a serial line.

    Raises:
        BadAddressError: Where the address is no Modbus address.
    """
    where = parse_address(address)
    if not isinstance(where, ModbusAddress):
        raise BadAddressError(f"{name}: {address!r} is no modbus-rtu: or modbus-tcp:// address")
    if is_serial(address):
        timeout_s = max(timeout_s, PATIENT_S)
    port = ModbusPort(where, NoTranscript(), timeout_s=timeout_s, tries=1, quiet_s=SERIAL_QUIET_S, baudrate=baud)
    return SafetyWire(ModbusLink(name, address, where.unit, port), port, now)


def is_serial(address: str) -> bool:
    """Whether only one connection to an address can be open."""
    where = parse_address(address)
    return not (isinstance(where, ModbusAddress) and isinstance(where.wire, SocketAddress))
