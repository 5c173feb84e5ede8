"""The simulator's Modbus framings against bytes printed in manuals and in the Modbus specification."""

from collections.abc import Sequence

import pytest

from sim.wire.modbus_pdu import IllegalAddress, IllegalValue, answer
from sim.wire.modbus_rtu import RtuReceiver, crc16, request_length
from sim.wire.modbus_tcp import TcpReceiver


class Table:
    """A device with eight of everything."""

    def __init__(self) -> None:
        self.coils = [True, False, True, True, False, False, True, True]
        self.words = [0x022B, 0, 100, -15, 0, 0, 0, 0]

    def read_coils(self, address: int, count: int) -> list[bool]:
        return self._part(self.coils, address, count)

    def read_inputs(self, address: int, count: int) -> list[bool]:
        return [not coil for coil in self._part(self.coils, address, count)]

    def read_holding(self, address: int, count: int) -> list[int]:
        return self._part(self.words, address, count)

    def read_input_registers(self, address: int, count: int) -> list[int]:
        return [word + 1 for word in self._part(self.words, address, count)]

    def write_coils(self, address: int, values: Sequence[bool]) -> None:
        self.coils[address : address + len(values)] = values

    def write_holding(self, address: int, values: Sequence[int], *, single: bool) -> None:
        if single and values == [9]:
            raise IllegalValue
        self._part(self.words, address, len(values))
        self.words[address : address + len(values)] = values

    @staticmethod
    def _part(table: list, address: int, count: int) -> list:  # type: ignore[type-arg]
        if address + count > len(table):
            raise IllegalAddress
        return table[address : address + count]


@pytest.fixture
def table() -> Table:
    return Table()


def ask(table: Table, text: str) -> str | None:
    reply = answer(table, bytes.fromhex(text))
    return None if reply is None else reply.hex(" ")


@pytest.mark.parametrize(
    ("frame", "check"),
    [
        ("02 07", "41 12"),  # Eurotherm HA026230: fast status request ...
        ("02 07 30", "d2 24"),  # ... and its reply, manual and sensor break
        ("01 03 00 00 00 01", "84 0a"),
        ("11 03 00 6b 00 03", "76 87"),
    ],
)
def test_check_bytes_are_those_of_the_manuals(frame: str, check: str) -> None:
    assert crc16(bytes.fromhex(frame)).hex(" ") == check


@pytest.mark.parametrize(
    ("request_pdu", "reply_pdu"),
    [
        ("03 00 00 00 03", "03 06 02 2b 00 00 00 64"),  # Modbus Application Protocol, 6.3
        ("03 00 03 00 01", "03 02 ff f1"),
        ("01 00 00 00 08", "01 01 cd"),
        ("02 00 00 00 03", "02 01 02"),
        ("04 00 02 00 01", "04 02 00 65"),
        ("05 00 01 ff 00", "05 00 01 ff 00"),
        ("06 00 01 00 03", "06 00 01 00 03"),
        ("0f 00 00 00 04 01 05", "0f 00 00 00 04"),
        ("10 00 01 00 02 04 00 0a 01 02", "10 00 01 00 02"),
    ],
)
def test_requests_are_answered_as_the_specification_prints_them(table: Table, request_pdu: str, reply_pdu: str) -> None:
    assert ask(table, request_pdu) == reply_pdu


def test_writes_reach_the_device(table: Table) -> None:
    ask(table, "0f 00 00 00 04 01 05")
    ask(table, "10 00 01 00 02 04 00 0a 01 02")
    ask(table, "05 00 07 00 00")
    assert table.coils == [True, False, True, False, False, False, True, False]
    assert table.words[1:3] == [10, 0x0102]


@pytest.mark.parametrize(
    ("request_pdu", "reply_pdu"),
    [
        ("03 00 07 00 02", "83 02"),
        ("03 00 00 00 00", "83 03"),
        ("03 00 00 00 7e", "83 03"),
        ("05 00 00 12 34", "85 03"),
        ("06 00 00 00 09", "86 03"),
        ("10 00 00 00 02 02 00 01", "90 03"),
    ],
)
def test_what_cannot_be_done_is_an_exception_with_its_code(table: Table, request_pdu: str, reply_pdu: str) -> None:
    assert ask(table, request_pdu) == reply_pdu


def test_an_unknown_function_is_met_with_silence(table: Table) -> None:
    assert ask(table, "2b 0e 01 00") is None


# -- RTU


class Line:
    """An RTU line with one unit, number 2."""

    def __init__(self, table: Table) -> None:
        self.sent: list[bytes] = []
        self.receiver = RtuReceiver(self.sent.append, {2: table})

    def hear(self, text: str) -> list[str]:
        self.sent.clear()
        self.receiver.receive(bytes.fromhex(text))
        return [frame.hex(" ") for frame in self.sent]


@pytest.fixture
def line(table: Table) -> Line:
    return Line(table)


READ = "02 03 00 00 00 01 84 39"
READ_REPLY = "02 03 02 02 2b bd 3b"


def test_a_unit_answers_with_its_address_and_a_checksum(line: Line) -> None:
    assert line.hear(READ) == [READ_REPLY]


def test_a_request_may_come_in_pieces(line: Line) -> None:
    assert line.hear(READ[:8]) == []
    assert line.hear(READ[8:]) == [READ_REPLY]


def test_two_requests_at_once_get_two_answers(line: Line) -> None:
    assert line.hear(READ + READ) == [READ_REPLY, READ_REPLY]


def test_a_wrong_checksum_and_a_foreign_unit_are_met_with_silence(line: Line) -> None:
    assert line.hear("02 03 00 00 00 01 84 3a") == []
    assert line.hear("03 03 00 00 00 01 85 e8") == []
    assert line.hear(READ) == [READ_REPLY]


def test_half_a_frame_is_forgotten_when_the_line_was_quiet(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.hear(READ[:12])
    monkeypatch.setattr("sim.wire.modbus_rtu.QUIET_S", -1.0)
    assert line.hear(READ) == [READ_REPLY]


def test_the_length_of_a_request_follows_from_its_function() -> None:
    assert request_length(b"\x02") == 0
    assert request_length(bytes.fromhex("02 10 00 00 00 02")) == 0
    assert request_length(bytes.fromhex("02 10 00 00 00 02 04")) == 13


# -- TCP


def exchange(table: Table, *pieces: str) -> list[str]:
    sent: list[bytes] = []
    receiver = TcpReceiver(sent.append, {1: table})
    for piece in pieces:
        receiver.receive(bytes.fromhex(piece))
    return [frame.hex(" ") for frame in sent]


def test_tcp_replies_repeat_transaction_and_unit(table: Table) -> None:
    assert exchange(table, "15 01 00 00 00 06 01 03 00 00 00 01") == ["15 01 00 00 00 05 01 03 02 02 2b"]


def test_tcp_requests_may_be_cut_or_joined(table: Table) -> None:
    one, two = "00 01 00 00 00 06 01 03 00 00 00 01", "00 02 00 00 00 06 01 03 00 02 00 01"
    assert exchange(table, one[:20], one[20:] + two) == [
        "00 01 00 00 00 05 01 03 02 02 2b",
        "00 02 00 00 00 05 01 03 02 00 64",
    ]


def test_tcp_noise_and_foreign_units_are_met_with_silence(table: Table) -> None:
    assert exchange(table, "00 01 00 07 00 06 01 03 00 00 00 01") == []
    assert exchange(table, "00 01 00 00 00 06 09 03 00 00 00 01") == []
