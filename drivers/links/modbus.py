"""One Modbus unit: its registers, inputs and coils, over a port that it may share with others.

Questions are repeated, commands are sent once. Addresses are those on the wire, counted from 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.errors import CodecError, DriverError, LinkError, RefusedError
from drivers.gate import Granted
from drivers.links.grant import check_grant
from drivers.links.modbus_port import ModbusPort, Send
from drivers.recognition import Recognition

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledged, still at it",
    6: "busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target does not respond",
}
BUSY = frozenset({5, 6})
UNREACHED = frozenset({10, 11})
"""What a gateway answers for a unit that is silent."""
BUSY_S = 0.05
"""Wall seconds before a busy instrument is asked again."""

T = TypeVar("T")


class ModbusRefusedError(RefusedError):
    """A unit answered with a Modbus exception."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code
        """1 to 11; 4 and 8 are faults of the unit itself."""


@dataclass(frozen=True)
class Canary:
    """Holding registers that are known: read last, they show whether replies belonged to their questions."""

    address: int
    """On the wire."""
    values: tuple[int, ...]
    """As many as no other block of the same series has, where that can be had."""


class ModbusLink:
    """One unit on a port. Registers are unsigned 16-bit numbers."""

    def __init__(
        self,
        device: str,
        address: str,
        unit: int,
        port: ModbusPort,
        *,
        never_write: frozenset[int] = frozenset(),
        recognition: Recognition | None = None,
    ) -> None:
        """Join a unit.

        Args:
            device: Who errors are about.
            address: As errors show it.
            unit: 1 to 247.
            port: The wire, shared with other units.
            never_write: Registers that no command may touch.
            recognition: Knows who is at the other end.
        """
        self.device, self.address = device, address
        self._unit = unit
        self._port = port
        self._port.users.add(device)
        self._never_write = never_write
        self._recognition = recognition

    # -- questions

    def read_registers(self, address: int, count: int) -> tuple[int, ...]:
        """Read holding registers (function 3).

        Raises:
            LinkError: When nobody answers soundly.
            RefusedError: When the unit answers with an exception.
        """
        client, unit = self._port.client, self._unit
        return self._ask(
            3,
            lambda: client.read_holding_registers(address, count=count, device_id=unit),
            lambda reply: self._registers(reply, address, count),
        )

    def read_inputs(self, address: int, count: int) -> tuple[int, ...]:
        """Read input registers (function 4); raises as `read_registers`."""
        client, unit = self._port.client, self._unit
        return self._ask(
            4,
            lambda: client.read_input_registers(address, count=count, device_id=unit),
            lambda reply: self._registers(reply, address, count),
        )

    def read_discrete(self, address: int, count: int) -> tuple[bool, ...]:
        """Read discrete inputs (function 2); raises as `read_registers`."""
        client, unit = self._port.client, self._unit
        return self._ask(
            2,
            lambda: client.read_discrete_inputs(address, count=count, device_id=unit),
            lambda reply: self._bits(reply, address, count),
        )

    def read_coils(self, address: int, count: int) -> tuple[bool, ...]:
        """Read coils (function 1); raises as `read_registers`."""
        client, unit = self._port.client, self._unit
        return self._ask(
            1,
            lambda: client.read_coils(address, count=count, device_id=unit),
            lambda reply: self._bits(reply, address, count),
        )

    def read_blocks(self, blocks: Sequence[tuple[int, int]], canary: Canary | None = None) -> list[tuple[int, ...]]:
        """Read several blocks of holding registers, (address, count) each, that belong together.

        A Modbus RTU reply does not say which address it is from, so a reply that comes twice or late is one for the
        next question. `canary`, read last, brings that to light; then everything is read again.

        Raises:
            LinkError: When nobody answers soundly.
            RefusedError: When the unit answers with an exception.
        """

        def read() -> list[tuple[int, ...]]:
            return [self.read_registers(address, count) for address, count in blocks]

        return read() if canary is None else self.guarded(read, canary)

    def guarded(self, read: Callable[[], T], canary: Canary) -> T:
        """Give what several questions in `read` give, where `canary`, read last, shows that none was mixed up.

        Raises:
            LinkError: When that does not succeed in a few tries.
        """

        def look() -> None:
            found = self.read_registers(canary.address, len(canary.values))
            if found != canary.values:
                raise CodecError(
                    f"address {canary.address} holds {', '.join(map(str, found))} instead of "
                    f"{', '.join(map(str, canary.values))}"
                )

        return self._port.guarded(self.device, self._port.tries, read, look)

    # -- commands

    def write_register(self, address: int, value: int, grant: Granted) -> None:
        """Write one holding register (function 6), once.

        Raises:
            LinkError: When no sound reply came; whether it was written is unknown then.
            RefusedError: When the unit answers with an exception, or nobody may write there.
            GrantError: When the leave is for another device.
        """
        self._check_writable(address, (value,))
        client, unit = self._port.client, self._unit
        self._tell(
            6,
            lambda: client.write_register(address, value, device_id=unit),
            grant,
            lambda reply: (reply.address, list(reply.registers)) == (address, [value]),
        )

    def write_registers(self, address: int, values: Sequence[int], grant: Granted) -> None:
        """Write a block of holding registers (function 16), once; raises as `write_register`."""
        self._check_writable(address, values)
        client, unit = self._port.client, self._unit
        self._tell(
            16,
            lambda: client.write_registers(address, list(values), device_id=unit),
            grant,
            lambda reply: (reply.address, reply.count) == (address, len(values)),
        )

    def write_coil(self, address: int, on: bool, grant: Granted) -> None:
        """Write one coil (function 5), once; raises as `write_register`."""
        client, unit = self._port.client, self._unit
        self._tell(
            5,
            lambda: client.write_coil(address, on, device_id=unit),
            grant,
            lambda reply: (reply.address, reply.bits[:1]) == (address, [on]),
        )

    # -- transactions

    def _once(self, send: Send) -> ModbusPDU:
        return self._port.once(self.device, send, address=self.address, recognition=self._recognition)

    def _ask(self, function: int, send: Send, parse: Callable[[ModbusPDU], T]) -> T:
        cause: Exception | None = None
        for _ in range(self._port.tries):
            try:
                reply = self._once(send)
                if not reply.isError():
                    return self._believed(function, reply, parse)
            except (ModbusException, CodecError) as error:
                cause = error
                continue
            cause = self._refused(reply)
            if reply.exception_code not in BUSY | UNREACHED:
                raise cause
            time.sleep(BUSY_S)
        if isinstance(cause, RefusedError):
            raise cause
        self._port.gave_up(self.device, self._recognition)
        raise self._unanswered(self._port.tries, cause) from cause

    def _tell(self, function: int, send: Send, grant: Granted, echoes: Callable[[ModbusPDU], bool]) -> None:
        check_grant(self.device, grant)
        try:
            reply = self._once(send)
        except ModbusException as error:
            raise self._unanswered(1, error) from error
        if reply.isError():
            raise self._refused(reply)
        if reply.function_code != function or not echoes(reply):
            self._port.doubt(self.device)
            raise LinkError(
                f"{self.device}: {self.address} answered another command than the one that was sent, and whether that "
                "was carried out is unknown: is another program on the line?"
            )

    def _believed(self, function: int, reply: ModbusPDU, parse: Callable[[ModbusPDU], T]) -> T:
        # pymodbus takes any sound frame of the unit for the reply: the echo of a write for registers that were read.
        if reply.function_code != function:
            self._port.doubt(self.device)
            raise CodecError(
                f"{self.device}: {self.address} answered function {reply.function_code}, and {function} was asked: "
                "is another program on the line?"
            )
        values = parse(reply)
        if self._port.surplus:
            self._port.doubt(self.device)
            raise CodecError(
                f"{self.device}: {self._port.surplus} bytes too many came with a reply from {self.address}: "
                "does the line repeat replies, or is another program on it?"
            )
        return values

    def _registers(self, reply: ModbusPDU, address: int, count: int) -> tuple[int, ...]:
        if len(reply.registers) != count:
            raise self._wrong_length(address, len(reply.registers), count)
        return tuple(reply.registers)

    def _bits(self, reply: ModbusPDU, address: int, count: int) -> tuple[bool, ...]:
        # Bits come in whole bytes, so a sound reply has up to seven more than asked.
        if not count <= len(reply.bits) < count + 8:
            raise self._wrong_length(address, len(reply.bits), count)
        return tuple(reply.bits[:count])

    # -- errors

    def _wrong_length(self, address: int, got: int, count: int) -> CodecError:
        self._port.doubt(self.device)
        return CodecError(
            f"{self.device}: {self.address} answered {got} values from address {address}, not {count}: "
            "this was the reply to another question; is another program on the line?"
        )

    def _unanswered(self, tries: int, cause: Exception | None) -> LinkError:
        return LinkError(str(cause)) if isinstance(cause, DriverError) else self._silence(tries)

    def _silence(self, tries: int) -> LinkError:
        count = "1 try" if tries == 1 else f"{tries} tries"
        return LinkError(
            f"{self.device}: nobody answers at {self.address} ({count} of {self._port.timeout_s:g} s): "
            "is the instrument on and the address right in the lab file?"
        )

    def _refused(self, reply: ModbusPDU) -> LinkError | ModbusRefusedError:
        code = reply.exception_code
        name = EXCEPTIONS.get(code, "not in the standard")
        if code in UNREACHED:
            return LinkError(
                f"{self.device}: the gateway at {self.address} does not reach unit {self._unit} "
                f"(Modbus exception {code}, {name}): is the instrument on, and its unit right in the lab file?"
            )
        return ModbusRefusedError(
            f"{self.device}: {self.address} refused function {reply.function_code & 0x7F} "
            f"with Modbus exception {code} ({name})",
            code,
        )

    def _check_writable(self, address: int, values: Sequence[int]) -> None:
        blocked = sorted(self._never_write.intersection(range(address, address + len(values))))
        if blocked:
            raise RefusedError(f"{self.device}: register {blocked[0]} must never be written")
        unfit = [value for value in values if not 0 <= value <= 0xFFFF]
        if unfit:
            raise CodecError(f"{self.device}: {unfit[0]} was to be written, and a register holds 0 to 65535")
