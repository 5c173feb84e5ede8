"""One Modbus unit: its registers, inputs and coils, over a port that it may share with others.

Questions are repeated, commands are sent once. Addresses are those on the wire, counted from 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from pymodbus.pdu import ModbusPDU

from drivers.errors import CodecError, DriverError, LinkError, NotThereError, RefusedError
from drivers.gate import Granted
from drivers.links import modbus_frames as frames
from drivers.links.grant import check_grant
from drivers.links.modbus_frames import Table
from drivers.links.modbus_port import ModbusPort, NoReplyError
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
NOT_THERE = frozenset({1, 2, 3})
"""What a unit answers that has no such function, address, or number of values there."""
ASKED_FOR = {1: "coil", 2: "input", 3: "register", 4: "input register", 5: "coil", 6: "register", 16: "register"}
"""Function to what its address is one of."""
ONE_VALUE = frozenset({5, 6})
"""Functions whose requests hold a value in place of a count."""
BUSY = frozenset({5, 6})
UNREACHED = frozenset({10, 11})
"""What a gateway answers for a unit that is silent."""
BUSY_S = 0.05
"""Wall seconds before a busy instrument is asked again."""
GIVE_UP_AFTER = 3
"""A unit that so often in a row did not answer several questions at once, and then answered them one by one, is asked
one by one from then on."""

READINGS = 3
"""How often a wire without checksum is read until two readings agree."""

T = TypeVar("T")


class UnreachedError(LinkError):
    """A gateway does not reach the unit."""


class ModbusRefusedError(RefusedError):
    """A unit answered with a Modbus exception."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code
        """1 to 11; 4 and 8 are faults of the unit itself."""


class NoSuchRegisterError(ModbusRefusedError, NotThereError):
    """A unit answered that it has no such function, address, or number of values there."""


@dataclass(frozen=True)
class Question:
    """One block of one table."""

    table: Table
    address: int
    count: int

    @cached_property
    def request(self) -> bytes:
        """What asks it."""
        return frames.read_request(self.table, self.address, self.count)


Near = Callable[[Question, tuple[int, ...], tuple[int, ...]], bool]
"""Whether two readings of a block say the same."""


def _equal(_: Question, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one == other


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
        self._one_by_one = 0
        """How often in a row several questions at once were not answered, and then were one by one."""
        self._doubted = False
        """Whether several questions at once were not answered last time."""

    @property
    def has_checksum(self) -> bool:
        """Whether the wire has one; on serial lines, where replies do not tell what they answer."""
        return self._port.mistakable

    # -- questions

    def read_registers(self, address: int, count: int) -> tuple[int, ...]:
        """Read holding registers (function 3).

        Raises:
            LinkError: When nobody answers soundly.
            RefusedError: When the unit answers with an exception.
        """
        return self._ask((Question("registers", address, count),))[0]

    def read_inputs(self, address: int, count: int) -> tuple[int, ...]:
        """Read input registers (function 4); raises as `read_registers`."""
        return self._ask((Question("inputs", address, count),))[0]

    def read_discrete(self, address: int, count: int) -> tuple[bool, ...]:
        """Read discrete inputs (function 2); raises as `read_registers`."""
        return tuple(map(bool, self._ask((Question("discrete", address, count),))[0]))

    def read_coils(self, address: int, count: int) -> tuple[bool, ...]:
        """Read coils (function 1); raises as `read_registers`."""
        return tuple(map(bool, self._ask((Question("coils", address, count),))[0]))

    def read_together(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        """Read several blocks; each comes as its bits or words, in the order of the questions.

        Over TCP all go out in one write and are waited for once. Most units answer that; one that looks at the first
        request of a segment only does not, and is asked one by one, as over other wires.

        Raises:
            LinkError: When nobody answers soundly.
            RefusedError: When the unit answers one with an exception.
        """
        # Who is asked who it is, is asked over one connection, which a unit that takes one question only may close.
        is_met = self._recognition is not None and self._recognition.is_meeting
        at_once = len(questions) > 1 and self._port.takes_several and not is_met
        if at_once and not self._doubted and self._one_by_one < GIVE_UP_AFTER:
            try:
                blocks = self._at_once(questions)
            except (NoReplyError, UnreachedError, CodecError, RefusedError) as error:
                self._doubted = True
                if self._port.tries == 1:
                    raise self._unanswered(1, error) from error
            else:
                self._one_by_one = 0
                return blocks
        blocks = self._ask(questions)
        if at_once and self._doubted:
            self._doubted = False
            self._one_by_one += 1
        return blocks

    def read_sure(self, questions: Sequence[Question], near: Near = _equal) -> list[tuple[int, ...]]:
        """Read several blocks; where the wire has no checksum, until two readings in a row agree.

        Args:
            questions: As for `read_together`.
            near: Whether two readings of a block say the same, where that is not only what is equal.

        Raises:
            LinkError: When nobody answers soundly, or something else each time.
            RefusedError: When the unit answers one with an exception.
        """
        if self.has_checksum:
            return self.read_together(questions)
        twice = self.read_together((*questions, *questions))
        before, found = twice[: len(questions)], twice[len(questions) :]
        for _ in range(READINGS):
            if all(map(near, questions, found, before)):
                return found
            # All of it again: blocks that bracket each other belong to one moment.
            before, found = found, self.read_together(questions)
        raise LinkError(
            f"{self.device}: {self.address} answers something else each time, {READINGS} times in a row: "
            "is the wire disturbed?"
        )

    def guarded(self, read: Callable[[], T], canary: Callable[[T], None]) -> T:
        """Give what several questions in `read` give, where `canary` shows that none was mixed up.

        A Modbus RTU reply does not say which address it is from, so a reply that comes twice or late is one for the
        next question. The canary is called last, with what was read: it looks there for what is known, or reads it
        with `expect`, and raises CodecError where it is not so. Then everything is read again.

        Raises:
            LinkError: When that does not succeed in a few tries.
        """
        return self._port.guarded(self.device, self._port.tries, read, canary)

    def expect(self, address: int, *values: int) -> None:
        """Read holding registers that are known, for a canary; as many as no other question of the same series.

        Raises:
            CodecError: When they hold something else.
        """
        found = self.read_registers(address, len(values))
        if found != values:
            raise CodecError(
                f"address {address} holds {', '.join(map(str, found))} instead of {', '.join(map(str, values))}"
            )

    # -- commands

    def write_register(self, address: int, value: int, grant: Granted) -> None:
        """Write one holding register (function 6), once.

        Raises:
            LinkError: When no sound reply came; whether it was written is unknown then.
            RefusedError: When the unit answers with an exception, or nobody may write there.
            GrantError: When the leave is for another device.
        """
        self._check_writable(address, (value,))
        self._tell(
            frames.register_request(address, value),
            lambda reply: (reply.address, list(reply.registers)) == (address, [value]),
            grant,
        )

    def write_registers(self, address: int, values: Sequence[int], grant: Granted) -> None:
        """Write a block of holding registers (function 16), once; raises as `write_register`."""
        self._check_writable(address, values)
        self._tell(
            frames.registers_request(address, values),
            lambda reply: (reply.address, reply.count) == (address, len(values)),
            grant,
        )

    def write_coil(self, address: int, on: bool, grant: Granted) -> None:
        """Write one coil (function 5), once; raises as `write_register`."""
        self._tell(
            frames.coil_request(address, on), lambda reply: (reply.address, reply.bits[:1]) == (address, [on]), grant
        )

    # -- transactions

    def _at_once(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        replies = self._port.at_once(
            self.device,
            self._unit,
            [question.request for question in questions],
            address=self.address,
            recognition=self._recognition,
        )
        return [self._block(reply, question) for reply, question in zip(replies, questions, strict=True)]

    def _in_turn(self, requests: Sequence[bytes]) -> Iterator[bytes]:
        return self._port.in_turn(
            self.device, self._unit, requests, address=self.address, recognition=self._recognition
        )

    def _ask(self, questions: Sequence[Question]) -> list[tuple[int, ...]]:
        """Ask one question after the other, each again where it was not answered soundly."""
        blocks: list[tuple[int, ...]] = []
        failures = 0
        while len(blocks) < len(questions):
            left = questions[len(blocks) :]
            try:
                for question, reply in zip(left, self._in_turn([q.request for q in left]), strict=True):
                    try:
                        blocks.append(self._block(reply, question))
                    except (UnreachedError, ModbusRefusedError) as refusal:
                        # Here, for what refuses to say who it is is not asked again.
                        failures += 1
                        self._bear(refusal, failures)
                        break
                    failures = 0
            except (NoReplyError, CodecError) as error:
                failures += 1
                self._bear(error, failures)
        return blocks

    def _bear(self, error: DriverError, failures: int) -> None:
        """Wait until a question that failed may be asked again; raises where it is not."""
        if isinstance(error, ModbusRefusedError):
            if error.code not in BUSY or failures >= self._port.tries:
                raise error
            time.sleep(BUSY_S)
        elif failures >= self._port.tries:
            self._port.gave_up(self.device, self._recognition)
            raise self._unanswered(failures, error)

    def _tell(self, request: bytes, echoes: Callable[[ModbusPDU], bool], grant: Granted) -> None:
        check_grant(self.device, grant)
        try:
            reply = frames.decode_reply(next(self._in_turn((request,))))
        except (NoReplyError, CodecError) as error:
            raise self._unanswered(1, error) from error
        if reply.isError():
            raise self._refused(reply, request)
        if reply.function_code != request[0] or not echoes(reply):
            self._port.doubt(self.device)
            raise LinkError(
                f"{self.device}: {self.address} answered another command than the one that was sent, and whether that "
                "was carried out is unknown: is another program on the line?"
            )

    def _block(self, reply: bytes, question: Question) -> tuple[int, ...]:
        """Give what a reply holds, where it is one to this question."""
        values = frames.values_in(reply, question.table, question.count)
        return self._odd_block(frames.decode_reply(reply), question) if values is None else values

    def _odd_block(self, reply: ModbusPDU, question: Question) -> tuple[int, ...]:
        """The same for a reply that is not the plain one to this question: a refusal, or one to another question."""
        if reply.isError():
            raise self._refused(reply, question.request)
        function, count = frames.READS[question.table].function_code, question.count
        if reply.function_code != function:
            self._port.doubt(self.device)
            raise CodecError(
                f"{self.device}: {self.address} answered function {reply.function_code}, and {function} was asked: "
                "is another program on the line?"
            )
        if question.table in frames.BITS:
            # Bits come in whole bytes, so a sound reply has up to seven more than asked.
            if count <= len(reply.bits) < count + 8:
                return tuple(reply.bits[:count])
            raise self._wrong_length(question, len(reply.bits))
        if len(reply.registers) != count:
            raise self._wrong_length(question, len(reply.registers))
        return tuple(reply.registers)

    # -- errors

    def _wrong_length(self, question: Question, got: int) -> CodecError:
        self._port.doubt(self.device)
        return CodecError(
            f"{self.device}: {self.address} answered {got} values from address {question.address}, not "
            f"{question.count}: this was the reply to another question; is another program on the line?"
        )

    def _unanswered(self, tries: int, cause: DriverError) -> DriverError:
        if isinstance(cause, RefusedError | UnreachedError):
            return cause
        if isinstance(cause, CodecError):
            return LinkError(str(cause))
        count = "1 try" if tries == 1 else f"{tries} tries"
        return LinkError(
            f"{self.device}: nobody answers at {self.address} ({count} of {self._port.timeout_s:g} s): "
            "is the instrument on and the address right in the lab file?"
        )

    def _refused(self, reply: ModbusPDU, request: bytes) -> UnreachedError | ModbusRefusedError:
        code = reply.exception_code
        name = EXCEPTIONS.get(code, "not in the standard")
        if code in UNREACHED:
            return UnreachedError(
                f"{self.device}: the gateway at {self.address} does not reach unit {self._unit} "
                f"(Modbus exception {code}, {name}): is the instrument on, and its unit right in the lab file?"
            )
        kind = NoSuchRegisterError if code in NOT_THERE else ModbusRefusedError
        return kind(
            f"{self.device}: {self.address} refused {_asked_for(request)} with Modbus exception {code} ({name})", code
        )

    def _check_writable(self, address: int, values: Sequence[int]) -> None:
        blocked = sorted(self._never_write.intersection(range(address, address + len(values))))
        if blocked:
            raise RefusedError(f"{self.device}: register {blocked[0]} must never be written")
        unfit = [value for value in values if not 0 <= value <= 0xFFFF]
        if unfit:
            raise CodecError(f"{self.device}: {unfit[0]} was to be written, and a register holds 0 to 65535")


def _asked_for(request: bytes) -> str:
    """Say what a request is about.

    >>> _asked_for(bytes.fromhex("0300010005"))
    'registers 1 to 5 (function 3)'
    """
    function, address = request[0], int.from_bytes(request[1:3])
    count = 1 if function in ONE_VALUE else int.from_bytes(request[3:5])
    what = ASKED_FOR[function]
    at = f"{what} {address}" if count == 1 else f"{what}s {address} to {address + count - 1}"
    return f"{at} (function {function})"
