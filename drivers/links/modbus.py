"""Modbus RTU and TCP, on pymodbus' synchronous client.

    RTU   unit 1 | function 1 | data n | CRC 2
    TCP   transaction 2 | 0 2 | length 2 | unit 1 | function 1 | data n

RTU has no transaction number: a late reply would answer the next question. So pymodbus retries nothing
here; questions are repeated by the link, with what instruments.md 0 and 7.1 ask for in between: an RTU line
is drained until it was quiet for as long as a reply may be late, a TCP stream is closed and opened again.
Commands are sent once. Addresses are those on the wire, counted from 0.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.address import ModbusAddress, SocketAddress
from drivers.errors import LinkError, RefusedError
from drivers.gate import Granted
from drivers.links.grant import check_grant
from drivers.transcript import Transcript

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
WORTH_REPEATING = frozenset({5, 6, 10, 11})
BUSY_S = 0.05
"""Wall seconds before a busy instrument is asked again."""

Send = Callable[[], ModbusPDU]


class _SerialClient(ModbusSerialClient):
    """Wakes with the first byte instead of looking at fixed intervals: 0.3 ms for a reply instead of 11."""

    def recv(self, size: int | None) -> bytes:
        """Give the bytes that are there, waiting for the first of them until the timeout."""
        if self.socket is None:
            return b""
        ready, _, _ = select.select([self.socket.fileno()], [], [], self.comm_params.timeout_connect)
        return super().recv(size or self.socket.in_waiting) if ready else b""


class ModbusPort:
    """A serial line or TCP stream with one or several units."""

    def __init__(
        self,
        address: ModbusAddress,
        transcript: Transcript,
        *,
        timeout_s: float = 1.0,
        tries: int = 3,
        quiet_s: float = 0.5,
        baudrate: int = 9600,
    ) -> None:
        """Make the port; nothing is opened before its first use.

        Args:
            address: The wire; its unit is not used.
            transcript: Where the bytes are noted.
            timeout_s: Wall seconds until a reply is given up.
            tries: How often a question is asked.
            quiet_s: Wall seconds that an RTU line must be silent after a failure: how late a reply may be.
            baudrate: Bits per second, for serial ports.
        """
        self.timeout_s, self.tries, self.quiet_s = timeout_s, tries, quiet_s
        self._transcript = transcript
        self._link = ""
        self._received = bytearray()
        self.client: ModbusTcpClient | _SerialClient
        wire = address.wire
        if isinstance(wire, SocketAddress):
            self.client = ModbusTcpClient(
                wire.host, port=wire.tcp_port, timeout=timeout_s, retries=0, trace_packet=self._trace
            )
        else:
            self.client = _SerialClient(
                wire.path, baudrate=baudrate, timeout=timeout_s, retries=0, trace_packet=self._trace
            )

    def once(self, link: str, send: Send) -> ModbusPDU:
        """Make one transaction on behalf of `link`.

        Raises:
            ModbusException: When there was no sound reply; the line is drained or closed then.
        """
        self._link = link
        try:
            return send()
        except ModbusException:
            self._recover()
            raise
        except OSError as error:
            # pymodbus lets a connection that the other end reset through as it is.
            self._recover()
            raise ConnectionException(str(error)) from error
        finally:
            self._note_received()

    def close(self) -> None:
        """Let go of the wire; the next transaction opens it again."""
        self.client.close()  # type: ignore[no-untyped-call]

    def _recover(self) -> None:
        if isinstance(self.client, _SerialClient) and self.client.socket is not None:
            self._drain(self.client)
        else:
            self.client.close()  # type: ignore[no-untyped-call]

    def _drain(self, client: _SerialClient) -> None:
        quiet_from_s = time.monotonic()
        give_up_s = quiet_from_s + 4 * self.quiet_s
        while client.socket is not None and time.monotonic() < min(give_up_s, quiet_from_s + self.quiet_s):
            try:
                stray = client.socket.read(client.socket.in_waiting) if client.socket.in_waiting else b""
            except OSError:
                client.close()  # type: ignore[no-untyped-call]
                return
            if stray:
                self._received += stray
                quiet_from_s = time.monotonic()
            time.sleep(0.002)

    def _trace(self, sending: bool, data: bytes) -> bytes:
        if sending:
            self._transcript.frame(self._link, "tx", data)
        else:
            # pymodbus shows all that came for this transaction so far, each time more comes.
            self._received = bytearray(data)
        return data

    def _note_received(self) -> None:
        if self._received:
            self._transcript.frame(self._link, "rx", bytes(self._received))
            self._received = bytearray()


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
    ) -> None:
        """Join a unit.

        Args:
            device: Who errors are about.
            address: As errors show it.
            unit: 1 to 247.
            port: The wire, shared with other units.
            never_write: Registers that no command may touch.
        """
        self.device, self.address = device, address
        self._unit = unit
        self._port = port
        self._never_write = never_write

    def read_registers(self, address: int, count: int) -> tuple[int, ...]:
        """Read holding registers (function 3).

        Raises:
            LinkError: When nobody answers soundly.
            RefusedError: When the unit answers with an exception.
        """
        client, unit = self._port.client, self._unit
        reply = self._ask(lambda: client.read_holding_registers(address, count=count, device_id=unit))
        return self._registers(reply, address, count)

    def read_inputs(self, address: int, count: int) -> tuple[int, ...]:
        """Read input registers (function 4); raises as `read_registers`."""
        client, unit = self._port.client, self._unit
        reply = self._ask(lambda: client.read_input_registers(address, count=count, device_id=unit))
        return self._registers(reply, address, count)

    def read_discrete(self, address: int, count: int) -> tuple[bool, ...]:
        """Read discrete inputs (function 2); raises as `read_registers`."""
        client, unit = self._port.client, self._unit
        reply = self._ask(lambda: client.read_discrete_inputs(address, count=count, device_id=unit))
        return self._bits(reply, address, count)

    def read_coils(self, address: int, count: int) -> tuple[bool, ...]:
        """Read coils (function 1); raises as `read_registers`."""
        client, unit = self._port.client, self._unit
        reply = self._ask(lambda: client.read_coils(address, count=count, device_id=unit))
        return self._bits(reply, address, count)

    def write_register(self, address: int, value: int, grant: Granted) -> None:
        """Write one holding register (function 6), once.

        Raises:
            LinkError: When no sound reply came; whether it was written is unknown then.
            RefusedError: When the unit answers with an exception, or nobody may write there.
            GrantError: When the leave is for another device.
        """
        self._check_writable(address, 1)
        client, unit = self._port.client, self._unit
        self._tell(lambda: client.write_register(address, value, device_id=unit), grant)

    def write_registers(self, address: int, values: Sequence[int], grant: Granted) -> None:
        """Write a block of holding registers (function 16), once; raises as `write_register`."""
        self._check_writable(address, len(values))
        client, unit = self._port.client, self._unit
        self._tell(lambda: client.write_registers(address, list(values), device_id=unit), grant)

    def write_coil(self, address: int, on: bool, grant: Granted) -> None:
        """Write one coil (function 5), once; raises as `write_register`."""
        client, unit = self._port.client, self._unit
        self._tell(lambda: client.write_coil(address, on, device_id=unit), grant)

    # -- transactions

    def _ask(self, send: Send) -> ModbusPDU:
        refusal: RefusedError | None = None
        cause: ModbusException | None = None
        for _ in range(self._port.tries):
            try:
                reply = self._port.once(self.device, send)
            except ModbusException as error:
                cause = error
                continue
            if not reply.isError():
                return reply
            refusal = self._refused(reply)
            if reply.exception_code not in WORTH_REPEATING:
                break
            time.sleep(BUSY_S)
        if refusal is not None:
            raise refusal
        self._port.close()
        raise self._silence(self._port.tries) from cause

    def _tell(self, send: Send, grant: Granted) -> None:
        check_grant(self.device, grant)
        try:
            reply = self._port.once(self.device, send)
        except ModbusException as error:
            raise self._silence(1) from error
        if reply.isError():
            raise self._refused(reply)

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

    def _wrong_length(self, address: int, got: int, count: int) -> LinkError:
        self._port.close()
        return LinkError(
            f"{self.device}: {self.address} answered {got} values from address {address}, not {count}: "
            "this was the reply to another question; is another program on the line?"
        )

    def _silence(self, tries: int) -> LinkError:
        count = "1 try" if tries == 1 else f"{tries} tries"
        return LinkError(
            f"{self.device}: nobody answers at {self.address} ({count} of {self._port.timeout_s:g} s): "
            "is the instrument on and the address right in the lab file?"
        )

    def _refused(self, reply: ModbusPDU) -> RefusedError:
        code = reply.exception_code
        return RefusedError(
            f"{self.device}: {self.address} refused function {reply.function_code & 0x7F} "
            f"with Modbus exception {code} ({EXCEPTIONS.get(code, 'not in the standard')})"
        )

    def _check_writable(self, address: int, count: int) -> None:
        blocked = sorted(self._never_write.intersection(range(address, address + count)))
        if blocked:
            raise RefusedError(f"{self.device}: register {blocked[0]} must never be written")
