"""Each fault as the relay does it, on a wire in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers.clock import JUMP_EPOCH_S, JumpClock
from sim.addresses import Carrier, Spot
from sim.errors import SimError
from sim.relay import Fault, Relay
from sim.relay.damage import WRAPPED
from tests.sim.relay_bench import READ, WRITE, Registers, line_bench, mbap, rtu, serial_bench, tcp_bench

GOOD = rtu("01 03 04 00FA 0190")
TCP_READ, TCP_GOOD = mbap(7, "01 03 0001 0002"), mbap(7, "01 03 04 00FA 0190")


def test_there_are_27_faults_each_with_a_number_and_a_sentence() -> None:
    assert [fault.number for fault in Fault] == list(range(1, 28))
    assert (Fault.NO_REPLY.number, Fault.BAD_CHECKSUM.number, Fault.DEAD_CONNECTION.number) == (1, 5, 16)
    assert (Fault.BUSY.number, Fault.CLOCK_JUMP.number, Fault.WATCHDOG_EXPIRY.number) == (21, 26, 27)
    assert all(fault.about.endswith(".") for fault in Fault)


def test_without_orders_bytes_pass_in_the_pieces_in_which_they_come() -> None:
    bench, talkers = line_bench()
    bench.client.receive(b"AB")
    assert bench.ask(b"C\r\n") == b"> ABC\r\n"
    assert bench.done == []
    assert len(talkers) == 2  # the first one told how lines end


def test_a_lost_reply_is_heard_by_the_instrument_and_a_lost_request_is_not() -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.NO_REPLY, "reply")
    assert bench.ask(WRITE) == b""
    assert registers.words[2] == 900
    bench.inject(Fault.NO_REPLY, "request")
    assert bench.ask(rtu("01 06 0002 0001")) == b""
    assert registers.words[2] == 900
    assert bench.ask(WRITE) == WRITE
    assert bench.done == [(Fault.NO_REPLY, "reply"), (Fault.NO_REPLY, "request")]


def test_a_late_reply_comes_later_and_nothing_overtakes_it() -> None:
    bench = serial_bench()
    bench.inject(Fault.LATE_REPLY)
    assert bench.ask(READ) == b""
    ((delay_s, _),) = bench.later
    assert delay_s == pytest.approx(1.5, abs=0.05)
    bench.relay.inject("furnace-1", Fault.LATE_REPLY, late_s=0.0)
    assert bench.ask(WRITE) == b""


def test_a_late_reply_is_sent_when_its_time_has_come() -> None:
    bench = serial_bench()
    bench.relay.inject("furnace-1", Fault.LATE_REPLY, late_s=1e-6)
    assert bench.ask(READ) == b""
    ((_, deliver),) = bench.later
    deliver()
    assert bench.heard == GOOD


@pytest.mark.parametrize("variant", Fault.DUPLICATE_REPLY.variants)
def test_a_duplicate_comes_at_once_or_a_little_later(variant: str) -> None:
    bench = serial_bench()
    bench.inject(Fault.DUPLICATE_REPLY, variant)
    at_once = bench.ask(READ)
    assert at_once == (GOOD * 2 if variant == "at once" else GOOD)
    assert [delay_s for delay_s, _ in bench.later] == pytest.approx([] if variant == "at once" else [0.02], abs=0.005)


def test_a_part_of_a_frame_comes() -> None:
    bench = serial_bench()
    bench.inject(Fault.PARTIAL_FRAME, "first 4 bytes")
    assert bench.ask(READ) == GOOD[:4]
    bench.inject(Fault.PARTIAL_FRAME, "without the last byte")
    assert bench.ask(READ) == GOOD[:-1]


def test_half_a_request_stays_with_the_instrument_until_more_comes() -> None:
    bench, _ = line_bench()
    bench.inject(Fault.PARTIAL_FRAME, "request")
    assert bench.ask(b"ABCD\r\n") == b""
    assert bench.ask(b"EF\r\n") == b"> ABCEF\r\n"


def test_a_spoilt_checksum_is_met_with_silence_or_comes_back() -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.BAD_CHECKSUM, "request")
    assert bench.ask(WRITE) == b""
    assert registers.words[2] == 400
    bench.inject(Fault.BAD_CHECKSUM, "reply")
    assert bench.ask(READ) == GOOD[:-1] + bytes([GOOD[-1] ^ 0x55])


def test_noise_changes_a_byte_at_least_or_comes_before() -> None:
    bench = serial_bench()
    for variant in ("5 %", "30 %", "100 %"):
        bench.inject(Fault.NOISE, variant)
        heard = bench.ask(READ)
        assert len(heard) == len(GOOD)
        assert heard != GOOD
    bench.inject(Fault.NOISE, "before")
    heard = bench.ask(READ)
    assert heard.endswith(GOOD)
    assert 1 <= len(heard) - len(GOOD) <= 8
    bench.inject(Fault.NOISE, "request")
    assert bench.ask(WRITE) == b""


def test_another_unit_answers() -> None:
    bench = serial_bench()
    bench.inject(Fault.FOREIGN_REPLY)
    assert bench.ask(READ) == rtu("02 03 04 00FA 0190")


@pytest.mark.parametrize("code", Fault.EXCEPTION.variants)
def test_a_refused_command_is_not_carried_out_unless_it_is_under_way(code: str) -> None:
    registers = Registers()
    bench = tcp_bench(registers)
    bench.inject(Fault.EXCEPTION, code)
    assert bench.ask(mbap(3, "01 06 0002 0384")) == mbap(3, f"01 86 {int(code):02x}")
    assert registers.words[2] == (900 if code == "5" else 400)
    assert bench.ask(TCP_READ)[9:11] == b"\x00\xfa"


def test_a_switch_of_the_instrument_is_on_for_as_many_requests() -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.SENSOR_BREAK, lasting=2)
    seen = []
    for _ in range(4):
        bench.ask(READ)
        seen.append(registers.sensor_broken)
    assert seen == [True, True, True, False]
    assert bench.done == [(Fault.SENSOR_BREAK, ""), (Fault.SENSOR_BREAK, "over")]
    assert [injection.over for injection in bench.relay.history] == [False, True]


def test_what_lasts_for_ever_ends_when_the_relay_is_stopped() -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.SENSOR_BREAK, lasting=None)
    for _ in range(30):
        bench.ask(READ)
    assert registers.sensor_broken
    bench.relay.stop()
    assert not registers.sensor_broken
    assert bench.wire.quiet


def test_what_an_instrument_only_tells_is_no_switch() -> None:
    class Telling(Registers):
        @property
        def stuck(self) -> bool:
            return False

    bench = serial_bench(Telling())
    bench.inject(Fault.STUCK)
    assert bench.ask(READ) == GOOD


def test_a_stuck_instrument_answers_what_it_answered_first() -> None:
    registers = Registers()
    bench = tcp_bench(registers)
    bench.inject(Fault.STUCK, lasting=3)
    assert bench.ask(TCP_READ) == TCP_GOOD
    registers.words[1] = 999
    assert bench.ask(mbap(8, "01 03 0001 0002")) == mbap(8, "01 03 04 00FA 0190")
    assert bench.ask(mbap(9, "01 06 0002 0005")) == mbap(9, "01 06 0002 0005")
    assert registers.words[2] == 5
    assert bench.ask(mbap(10, "01 03 0001 0002")) == mbap(10, "01 03 04 00FA 0190")
    assert bench.ask(mbap(11, "01 03 0001 0002")) == mbap(11, "01 03 04 03E7 0005")


def test_a_write_is_acknowledged_and_dropped() -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.SETPOINT_IGNORED)
    assert bench.ask(READ) == GOOD
    assert bench.ask(WRITE) == WRITE
    assert registers.words[2] == 400
    assert bench.ask(WRITE) == WRITE
    assert registers.words[2] == 900


def test_decimals_change_and_come_back() -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.WRONG_DECIMALS, lasting=1)
    bench.ask(READ)
    assert registers.decimals == 0
    bench.ask(READ)
    bench.ask(READ)
    assert registers.decimals == 1
    assert bench.done == [(Fault.WRONG_DECIMALS, "0 in place of 1"), (Fault.WRONG_DECIMALS, "over")]


def test_a_value_is_a_little_below_zero() -> None:
    bench = serial_bench()
    bench.inject(Fault.INT16_WRAP)
    assert bench.ask(WRITE) == WRITE
    assert bench.ask(READ) == rtu(f"01 03 04 {WRAPPED:04X} 0384")


@pytest.mark.parametrize("variant", Fault.DISCONNECT.variants)
def test_the_cable_is_pulled_before_or_after_the_instrument_has_heard(variant: str) -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.DISCONNECT, variant)
    assert bench.ask(WRITE) == b""
    assert registers.words[2] == (400 if variant == "request" else 900)
    assert [what for what, _ in bench.cable.done] == ["pull"]
    assert bench.ask(READ)[:2] == GOOD[:2]


def test_another_device_answers_after_the_cable_was_pulled_and_the_first_one_comes_back() -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.OTHER_DEVICE, lasting=1)
    assert bench.ask(READ) == b""
    assert registers.other_device
    bench.ask(READ)
    assert len(bench.cable.done) == 1
    bench.ask(READ)
    assert not registers.other_device
    assert len(bench.cable.done) == 2


def test_a_connection_is_reset_or_dies_alone_or_hangs_with_all_others() -> None:
    bench = tcp_bench()
    bench.inject(Fault.DEAD_CONNECTION, "reset")
    assert bench.ask(TCP_READ) == b""
    assert bench.cable.done == [("reset", 0.0)]
    bench.inject(Fault.DEAD_CONNECTION, "half-open")
    assert [bench.ask(TCP_READ) for _ in range(3)] == [b"", b"", b""]
    bench.connect()
    assert bench.ask(TCP_READ) == TCP_GOOD
    bench.inject(Fault.DEAD_CONNECTION, "hang", lasting=2)
    assert bench.ask(TCP_READ) == b""
    for _ in range(2):
        bench.connect()
        assert bench.ask(TCP_READ) == b""
    assert bench.ask(TCP_READ) == TCP_GOOD


def test_a_value_is_another_one_where_no_checksum_tells() -> None:
    bench = tcp_bench()
    bench.inject(Fault.PAYLOAD_CORRUPTION)
    heard = bench.ask(TCP_READ)
    assert heard[:9] == TCP_GOOD[:9]
    assert heard != TCP_GOOD


def test_something_comes_that_nobody_asked_for() -> None:
    bench, _ = line_bench()
    bench.inject(Fault.UNSOLICITED, "before")
    bench.inject(Fault.UNSOLICITED, "after")
    assert bench.ask(b"1\r\n") == b"> 1\r\n"
    assert bench.ask(b"2\r\n") == b"> 1\r\n> 2\r\n"
    assert bench.ask(b"3\r\n") == b"> 3\r\n> 2\r\n"


def test_an_instrument_knows_what_it_may_say_unasked() -> None:
    class Streaming(Registers):
        def unsolicited(self) -> bytes:
            return b"\x00"

    bench = serial_bench(Streaming())
    bench.inject(Fault.UNSOLICITED, "before")
    assert bench.ask(READ) == b"\x00" + GOOD


def test_a_reply_of_several_lines_ends_after_the_first() -> None:
    bench, _ = line_bench()
    bench.inject(Fault.MULTILINE_CUT)
    assert bench.ask(b"1\r\n") == b"> 1\r\n"
    assert bench.done == []
    assert bench.ask(b"LIST\r\n") == b"L 1\r\n"
    assert bench.ask(b"LIST\r\n") == b"L 1\r\nL 2\r\nL 3\r\n"


def test_what_has_begun_never_ends() -> None:
    bench, talkers = line_bench()
    bench.inject(Fault.BEGUN_THEN_NOTHING)
    assert bench.ask(b"GO\r\n") == b"GO 1 B\r\n"
    assert bench.ask(b"2\r\n") == b"> 2\r\n"
    bench.heard = b""
    talkers[-1].end()
    assert bench.heard == b""
    bench.ask(b"GO\r\n")
    talkers[-1].end()
    assert bench.heard == b"GO 1 B\r\nGO 1 A\r\n"


def test_a_busy_instrument_says_so() -> None:
    registers = Registers()
    bench = serial_bench(registers)
    bench.inject(Fault.BUSY)
    assert bench.ask(WRITE) == rtu("01 86 06")
    assert registers.words[2] == 400


def test_power_fails_somebody_turns_a_knob_and_a_watchdog_expires() -> None:
    registers = Registers()
    bench = tcp_bench(registers)
    for fault in (Fault.POWER_CYCLE, Fault.WATCHDOG_EXPIRY, Fault.LOCAL_CHANGE):
        bench.inject(fault)
    assert bench.ask(TCP_READ) == b""
    assert [what for what, _ in bench.cable.done] == ["pull"]
    assert bench.ask(TCP_READ) == TCP_GOOD
    assert bench.ask(TCP_READ) == TCP_GOOD
    assert registers.acts[:2] == ["power", "watchdog"]
    assert registers.acts[2].startswith("panel ")
    assert bench.done[2][1] == registers.acts[2].removeprefix("panel ") + " degC"


def test_another_master_asks_first_or_takes_the_reply() -> None:
    bench = serial_bench()
    bench.inject(Fault.TWO_MASTERS, "their reply first")
    assert bench.ask(READ) == rtu("01 03 02 00FA") + GOOD
    bench.inject(Fault.TWO_MASTERS, "our reply lost")
    assert bench.ask(READ) == b""


def test_on_tcp_another_client_takes_the_last_connection() -> None:
    bench = tcp_bench()
    bench.inject(Fault.TWO_MASTERS)
    assert bench.ask(TCP_READ) == b""
    assert bench.cable.done == [("pull", 0.2)]
    assert bench.done == [(Fault.TWO_MASTERS, "connection limit")]


def test_bytes_drip() -> None:
    bench = serial_bench()
    bench.inject(Fault.SLOW_DRIP)
    assert bench.ask(READ) == GOOD[:1]
    assert [delay_s for delay_s, _ in bench.later] == pytest.approx([0.004 * n for n in range(1, 9)], abs=0.003)


# -- orders


def test_an_order_waits_for_its_occasion_and_comes_as_often_as_asked() -> None:
    bench = serial_bench()
    bench.inject(Fault.NO_REPLY, "reply", times=2)
    assert [bench.ask(READ) for _ in range(3)] == [b"", b"", GOOD]
    assert bench.wire.quiet


def test_one_fault_at_a_time() -> None:
    bench = serial_bench()
    bench.inject(Fault.EXCEPTION, "2")
    bench.inject(Fault.BAD_CHECKSUM, "reply")
    assert bench.ask(READ) == rtu("01 83 02")
    assert bench.ask(READ)[:-1] == GOOD[:-1]


def test_only_the_instrument_that_is_meant_suffers() -> None:
    bench = serial_bench(others={"furnace-2": Spot(Carrier.PTY, "furnace-1", unit=2)})
    bench.inject(Fault.NO_REPLY, "reply")
    assert bench.ask(rtu("02 03 0001 0002")) == rtu("02 03 04 00FA 0190")
    assert bench.ask(READ) == b""


def test_a_request_in_pieces_is_one_request() -> None:
    bench = serial_bench()
    bench.inject(Fault.NO_REPLY, "reply")
    bench.client.receive(READ[:3])
    assert bench.ask(READ[3:]) == b""
    bench.client.receive(READ[:3])
    assert bench.ask(READ[3:]) == GOOD


@pytest.mark.parametrize(
    ("fault", "variant", "sentence"),
    [
        (Fault.CLOCK_JUMP, None, r"furnace-1: clock-jump cannot be done to it \(The clock jumps: .*\): there are no-r"),
        (Fault.DEAD_CONNECTION, None, "dead-connection cannot be done"),
        (Fault.BUSY, "twice", "there is no way 'twice' for busy"),
        (Fault.EXCEPTION, "9", r"there is no way '9' for exception: there are '1', '2'"),
    ],
)
def test_what_cannot_be_done_is_told_at_once(fault: Fault, variant: str | None, sentence: str) -> None:
    with pytest.raises(SimError, match=sentence):
        serial_bench().inject(fault, variant)


def test_an_unknown_instrument_is_told() -> None:
    with pytest.raises(SimError, match="no relay before 'butler': there is one before furnace-1"):
        serial_bench().relay.inject("butler", Fault.NO_REPLY)


def test_the_history_says_when_to_whom_and_what_and_goes_to_a_file(tmp_path: Path) -> None:
    bench = tcp_bench(log=tmp_path / "faults.jsonl")
    bench.inject(Fault.EXCEPTION, "2", times=2)
    bench.ask(TCP_READ)
    bench.relay.close()
    bench.ask(TCP_READ)
    seen, _ = bench.relay.history
    assert (seen.t_s, seen.instrument, seen.fault, seen.detail) == (JUMP_EPOCH_S, "furnace-1", Fault.EXCEPTION, "2")
    (line,) = map(json.loads, (tmp_path / "faults.jsonl").read_text().splitlines())
    assert line == {
        "t": JUMP_EPOCH_S,
        "wall": seen.wall_s,
        "instrument": "furnace-1",
        "fault": "exception",
        "number": 8,
        "detail": "2",
    }


def test_a_history_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SimError, match="cannot be written"):
        Relay(JumpClock(), {}, log=tmp_path)
