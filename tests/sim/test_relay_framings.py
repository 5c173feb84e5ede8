"""The relay reads frames of every protocol; the bytes are those that manuals and the reference print."""

from random import Random

import pytest

from sim.errors import BadOptionError
from sim.relay.aibus import Aibus
from sim.relay.framing import Framing
from sim.relay.framings import FRAMINGS, framing_named
from sim.relay.modbus import ModbusRtu, ModbusTcp, crc16
from sim.relay.text import LettersAndLines, Lines, Telegrams
from tests.sim.relay_bench import READ, WRITE, mbap, rtu

AIBUS_READ = bytes.fromhex("81 81 52 00 00 00 53 00")
AIBUS_REPLY = bytes.fromhex("FA 00 E8 03 23 60 E8 03 EE 68")
REPLY = rtu("01 03 04 00FA 0190")

REQUESTS: list[tuple[str, bytes]] = [
    ("modbus-rtu", bytes.fromhex("01 03 0000 0002 C40B")),
    ("modbus-rtu", rtu("01 10 0002 0002 04 000A 0102")),
    ("modbus-rtu", rtu("01 07")),
    ("modbus-tcp", mbap(7, "01 03 0000 0002")),
    ("aibus", AIBUS_READ),
    ("lines-crlf", b"QRA 61 1\r\n"),
    ("lines-lf", b"ID?\n"),
    ("lines-cr", b"A??M*\r"),
    ("telegrams", b"@STATUS_REQUEST@SYSTEM@END"),
]
REPLIES: list[tuple[str, bytes]] = [
    ("modbus-rtu", REPLY),
    ("modbus-rtu", rtu("01 83 02")),
    ("modbus-rtu", rtu("01 10 0002 0002")),
    ("modbus-tcp", mbap(7, "01 03 04 00FA 0190")),
    ("aibus", AIBUS_REPLY),
    ("lines-cr", b"A +014.62 +021.89\r"),
    ("telegrams", b"@STATUS_REPORT@SYSTEM=remote@END"),
]


@pytest.mark.parametrize(("name", "frame"), REQUESTS)
def test_the_end_of_a_request_is_found(name: str, frame: bytes) -> None:
    framing = framing_named(name)
    assert framing.request_end(frame + frame[:3]) == len(frame)
    assert all(framing.request_end(frame[:length]) == 0 for length in range(1, len(frame)))


@pytest.mark.parametrize(("name", "frame"), REPLIES)
def test_the_end_of_a_reply_is_found(name: str, frame: bytes) -> None:
    framing = framing_named(name)
    assert framing.reply_end(frame + frame[:3]) == len(frame)
    assert all(framing.reply_end(frame[:length]) == 0 for length in range(1, len(frame)))


def test_a_framing_that_there_is_not_is_told_with_those_there_are() -> None:
    with pytest.raises(BadOptionError, match=r"no framing 'morse': there are modbus-rtu, modbus-tcp, aibus"):
        framing_named("morse")


def test_nothing_is_known_of_an_unknown_protocol() -> None:
    framing = Framing()
    assert framing.request_end(b"abc") == framing.reply_end(b"abc") == 3
    assert framing.spoil(b"abc") is framing.by_another(b"abc") is framing.refusal(b"abc", 2) is None
    assert framing.acknowledgement(b"abc") is framing.again(b"a", b"b") is framing.foreign_question(b"a") is None
    assert framing.with_words(b"abc", list) is framing.corrupt(b"abc", Random(1)) is framing.begun(b"abc") is None
    assert not framing.reads(b"abc")
    assert not framing.writes(b"abc")
    assert framing.ear(b"abc", "a") is None
    assert framing.question(b"abc") == b"abc"


def test_units_are_known_by_their_numbers_and_letters() -> None:
    assert ModbusRtu().ear(rtu("02 03 0001 0002"), ()) == "2"
    assert ModbusTcp().ear(mbap(1, "09 03 0001 0002"), ()) == "9"
    assert Aibus().ear(AIBUS_READ, ()) == "1"
    assert Lines(b"\r").ear(b"BAS 3\r", ["A", "B"]) == "B"
    assert Lines(b"\r").ear(b"CAS 3\r", ["A", "B"]) is None


def test_spoiling_breaks_the_checksum_alone() -> None:
    spoilt = ModbusRtu().spoil(REPLY)
    assert spoilt is not None
    assert (spoilt[:-1], spoilt[-1]) == (REPLY[:-1], REPLY[-1] ^ 0x55)
    assert Aibus().spoil(AIBUS_REPLY) == AIBUS_REPLY[:-1] + bytes([0x68 ^ 0x55])
    assert ModbusTcp().spoil(mbap(1, "01 03 0000 0002")) is None


def test_another_unit_answers_with_a_right_checksum() -> None:
    assert ModbusRtu().by_another(REPLY) == rtu("02 03 04 00FA 0190")
    assert ModbusTcp().by_another(mbap(5, "F7 03 02 0001")) == mbap(5, "01 03 02 0001")
    assert Aibus().by_another(AIBUS_REPLY) == AIBUS_REPLY[:-2] + bytes.fromhex("EF 68")
    assert LettersAndLines(b"\r").by_another(b"B +1.0\r") == b"C +1.0\r"
    assert LettersAndLines(b"\r").by_another(b" +1.0\r") is None


def test_modbus_is_refused_acknowledged_and_answered_again() -> None:
    tcp = ModbusTcp()
    assert ModbusRtu().refusal(READ, 6) == rtu("01 83 06")
    assert tcp.refusal(mbap(9, "01 10 0000 0001 02 0005"), 2) == mbap(9, "01 90 02")
    assert ModbusRtu().acknowledgement(WRITE) == WRITE
    assert tcp.acknowledgement(mbap(9, "01 10 0000 0001 02 0005")) == mbap(9, "01 10 0000 0001")
    assert ModbusRtu().acknowledgement(READ) is None
    assert tcp.again(mbap(12, "01 03 0000 0001"), mbap(3, "01 03 02 0007")) == mbap(12, "01 03 02 0007")
    assert tcp.question(mbap(12, "01 03 0000 0001")) == tcp.question(mbap(3, "01 03 0000 0001"))


@pytest.mark.parametrize(("count", "asked"), [("0001", "0002"), ("0005", "0001")])
def test_another_master_asks_for_another_count(count: str, asked: str) -> None:
    assert ModbusRtu().foreign_question(rtu(f"01 03 0001 {count}")) == rtu(f"01 03 0001 {asked}")
    assert ModbusTcp().foreign_question(mbap(1, f"01 03 0001 {count}")) == mbap(0x8001, f"01 03 0001 {asked}")


def test_another_master_asks_only_what_changes_nothing() -> None:
    assert ModbusRtu().foreign_question(WRITE) is None
    assert Aibus().foreign_question(AIBUS_READ) == bytes.fromhex("81 81 52 0C 00 00 53 0C")
    assert Aibus().foreign_question(bytes.fromhex("81 81 52 0C 00 00 53 0C")) == AIBUS_READ


def test_words_are_changed_under_a_right_checksum() -> None:
    def one_more(words: list[int]) -> list[int]:
        return [words[0] + 1, *words[1:]]

    assert ModbusRtu().with_words(REPLY, one_more) == rtu("01 03 04 00FB 0190")
    assert ModbusTcp().with_words(mbap(1, "01 04 02 0001"), one_more) == mbap(1, "01 04 02 0002")
    assert ModbusRtu().with_words(WRITE, one_more) is None
    assert ModbusRtu().with_words(rtu("01 83 02"), one_more) is None
    assert Aibus().with_words(AIBUS_REPLY, one_more) == bytes.fromhex("FB 00 E8 03 23 60 E8 03 EF 68")


def test_a_corrupted_payload_keeps_its_form() -> None:
    reply = mbap(1, "01 03 04 00FA 0190")
    corrupt = ModbusTcp().corrupt(reply, Random(1))
    assert corrupt is not None
    assert corrupt[:9] == reply[:9]
    assert sum((a ^ b).bit_count() for a, b in zip(corrupt, reply, strict=True)) == 1
    assert ModbusTcp().corrupt(mbap(1, "01 83 02"), Random(1)) is None
    line = Lines(b"\r\n").corrupt(b"S S     12.50012 g\r\n", Random(1))
    assert line is not None
    assert [b for b in line if b not in b"0123456789"] == [
        b for b in b"S S     12.50012 g\r\n" if b not in b"0123456789"
    ]
    assert line != b"S S     12.50012 g\r\n"
    telegram = Telegrams().corrupt(b"@STATUS_REPORT@UNIT=xrd@READY=yes@END", Random(1))
    assert telegram is not None
    assert telegram.startswith(b"@STATUS_REPORT@UNIT=xrd@READY=")
    assert telegram.endswith(b"@END")
    assert b"=yes@" not in telegram
    assert Telegrams().corrupt(b"@SAMPLE@END", Random(1)) is None
    assert Lines(b"\n").corrupt(b"?\n", Random(1)) is None


def test_what_has_begun_is_told_from_what_is_over() -> None:
    lines = Lines(b"\r\n")
    assert lines.begun(b"QRA 61 1 B\r\n") == b"QRA 61 1 "
    assert lines.begun(b"QRA 61 1 A\r\n") is None


def test_the_check_bytes_are_those_of_the_manual() -> None:
    assert crc16(bytes.fromhex("02 07")).hex() == "4112"


@pytest.mark.parametrize("name", [name for name in FRAMINGS if name != "unknown"])
def test_noise_is_no_frame_that_anything_is_made_of(name: str) -> None:
    framing, random = framing_named(name), Random(5)
    for length in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 40):
        for _ in range(20):
            noise = random.randbytes(length)
            framing.request_end(noise)
            framing.reply_end(noise)
            if not framing.whole(noise):
                continue
            framing.ear(noise, ["A"])
            framing.acknowledgement(noise)
            framing.foreign_question(noise)
            framing.refusal(noise, 2)
            framing.again(noise, noise)
            framing.by_another(noise)
            framing.corrupt(noise, random)
            framing.with_words(noise, lambda words: words)
            framing.begun(noise)
