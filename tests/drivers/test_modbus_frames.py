"""What is believed of Modbus frames, and that pymodbus makes those of the standard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import CodecError
from drivers.links import modbus_frames as frames
from drivers.links.modbus_frames import Table


@pytest.mark.parametrize(
    ("table", "address", "count", "bytes_"),
    [
        ("coils", 0x13, 0x13, "01 00 13 00 13"),
        ("discrete", 0xC4, 0x16, "02 00 c4 00 16"),
        ("registers", 0x6B, 3, "03 00 6b 00 03"),
        ("inputs", 8, 1, "04 00 08 00 01"),
    ],
)
def test_questions_are_those_of_the_standard(table: Table, address: int, count: int, bytes_: str) -> None:
    assert frames.read_request(table, address, count).hex(" ") == bytes_


def test_commands_are_those_of_the_standard() -> None:
    assert frames.coil_request(0xAC, True).hex(" ") == "05 00 ac ff 00"
    assert frames.register_request(1, 3).hex(" ") == "06 00 01 00 03"
    assert frames.registers_request(1, [0x0A, 0x0102]).hex(" ") == "10 00 01 00 02 04 00 0a 01 02"


def test_replies_of_the_standard_are_read() -> None:
    assert frames.decode_reply(bytes.fromhex("03 06 02 2b 00 00 00 64")).registers == [555, 0, 100]
    outputs = frames.decode_reply(bytes.fromhex("01 03 cd 6b 05")).bits
    assert [i + 20 for i, on in enumerate(outputs) if on] == [20, 22, 23, 26, 27, 28, 29, 31, 33, 34, 36, 38]
    assert frames.decode_reply(bytes.fromhex("81 02")).exception_code == 2


@pytest.mark.parametrize("reply", ["7f 00", "03 06 00 19", "03"])
def test_what_is_no_reply_is_none(reply: str) -> None:
    with pytest.raises(CodecError, match="which is no reply that there is"):
        frames.decode_reply(bytes.fromhex(reply))


def test_a_serial_line_has_the_checksum_of_the_manual() -> None:
    assert frames.rtu_frame(2, b"\x07") == bytes.fromhex("02 07 41 12")


# ---------------------------------------------------------------- RTU

REPLY = bytes.fromhex("01 03 02 00 19 79 8e")


@pytest.mark.parametrize("length", range(len(REPLY)))
def test_half_a_reply_is_waited_for(length: int) -> None:
    assert frames.rtu_reply(REPLY[:length], 1) is None


@given(st.integers(0, 8 * len(REPLY) - 1))
def test_no_flipped_bit_is_believed(bit: int) -> None:
    spoiled = bytearray(REPLY)
    spoiled[bit // 8] ^= 1 << bit % 8
    try:
        assert frames.rtu_reply(bytes(spoiled), 1) is None  # a length that asks for more
    except CodecError:
        return


@pytest.mark.parametrize(
    ("received", "says"),
    [
        (bytes.fromhex("02 03 02 00 19 3d 8e"), "unit 2 answered, and 1 was asked"),
        (bytes.fromhex("00") + REPLY, "its checksum is wrong"),
        (REPLY + REPLY, "7 bytes too many came with a reply"),
        (REPLY[:-1] + b"\x00", "its checksum is wrong"),
    ],
)
def test_what_is_no_reply_is_told(received: bytes, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        frames.rtu_reply(received, 1)


# ---------------------------------------------------------------- TCP


def test_replies_of_a_stream_are_taken_one_after_the_other() -> None:
    first, second = (frames.tcp_frame(number, 1, bytes.fromhex("03 02 00 19")) for number in (7, 8))
    stream = first + second
    found = frames.tcp_reply(stream)
    assert found == (7, 1, bytes.fromhex("03 02 00 19"), len(first))
    assert [frames.tcp_reply(stream[found.used :][:length]) for length in range(len(second))] == [None] * len(second)


@pytest.mark.parametrize("stream", ["0001 0001 0005 01 03 02 00 19", "0001 0000 ffff 01 03", "ff ff ff ff ff ff ff ff"])
def test_a_stream_of_something_else_is_told_at_once(stream: str) -> None:
    with pytest.raises(CodecError, match="begins no Modbus reply"):
        frames.tcp_reply(bytes.fromhex(stream))
