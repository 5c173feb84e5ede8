"""Several reads of one unit at once, over Modbus TCP.

All requests go out in one write and the replies are told apart by their transactions: one wait for the other end
instead of one for each table. Most modules answer that; one that looks at the first request of a segment only does
not, and is asked one by one by whoever finds that out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from drivers.errors import CodecError, LinkError
from drivers.links.modbus import ModbusLink

Table = Literal["coils", "discrete", "registers", "inputs"]

_REQUESTS: Mapping[Table, type[ModbusPDU]] = {
    "coils": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "registers": ReadHoldingRegistersRequest,
    "inputs": ReadInputRegistersRequest,
}
_BITS = frozenset({"coils", "discrete"})


@dataclass(frozen=True)
class Question:
    """One block of one table; addresses are those on the wire."""

    table: Table
    address: int
    count: int


class TogetherLink(ModbusLink):
    """A unit on a port of its own, which no other link shares."""

    def read_together(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        """Read several blocks; each comes as its bits or words, in the order of the questions.

        Raises:
            LinkError: When not all are answered soundly in time; the connection is closed then.
            RefusedError: When the unit answers one with an exception.
            OSError: When the other end resets the connection.
        """
        client = self._port.client
        if not isinstance(client, ModbusTcpClient):
            raise self._silence(1)
        self._port.prepare(self.device, self.address, self._recognition)
        self._port.begin(self.device)
        asked = {self._next_transaction(client): question for question in questions}
        try:
            client.send(b"".join(self._frame(client, number, question) for number, question in asked.items()))
            replies = self._collect(client, asked.keys())
            return [self._block(replies[number], question) for number, question in asked.items()]
        except ModbusException as error:
            self._port.close()
            raise self._silence(1) from error
        except CodecError as error:
            raise LinkError(str(error)) from error

    def _next_transaction(self, client: ModbusTcpClient) -> int:
        return int(client.transaction.getNextTID())

    def _frame(self, client: ModbusTcpClient, number: int, question: Question) -> bytes:
        request = _REQUESTS[question.table](
            address=question.address, count=question.count, dev_id=self._unit, transaction_id=number
        )
        return bytes(client.transaction.framer.buildFrame(request))

    def _collect(self, client: ModbusTcpClient, numbers: Set[int]) -> dict[int, ModbusPDU]:
        """Wait for all replies, in whatever order they come."""
        replies: dict[int, ModbusPDU] = {}
        pending = b""
        while not numbers <= replies.keys():
            chunk = client.recv(None)
            if not chunk:
                raise ModbusException("not everything was answered in time")
            pending += chunk
            while True:
                used, reply = client.transaction.framer.handleFrame(pending, self._unit, 0)
                pending = pending[used:]
                if reply is None:
                    break
                replies[reply.transaction_id] = reply
        return replies

    def _block(self, reply: ModbusPDU, question: Question) -> tuple[int, ...]:
        if reply.isError():
            raise self._refused(reply)
        if reply.function_code != _REQUESTS[question.table].function_code:
            raise self._wrong_length(question.address, 0, question.count)
        if question.table in _BITS:
            return self._bits(reply, question.address, question.count)
        return self._registers(reply, question.address, question.count)
