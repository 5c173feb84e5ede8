"""The safety module, against frames of Modbus TCP."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.safety_io import ANALOGUE_SIGNALS, INPUT_SIGNALS, SafetyIO
from drivers.errors import CommandDeniedError, LimitError, RefusedError, WrongInstrumentError
from drivers.gate import GRANT_LIFE_S
from drivers.registry import build
from tests.drivers.fakes import FakeGate, FakeSocket, Noted, end_of, look_at


class Module:
    """The four tables of a module behind Modbus TCP frames."""

    def __init__(self) -> None:
        self.inputs = [True] * 5 + [False, True, True]
        self.coils = [False] * 4
        self.analogue = [251, 209, 0, *range(251, 256), *[0] * 16]
        self.holding = [0] * 5
        self.expired = False
        self.keeps = True
        self.requests = 0

    def answer(self, data: bytes) -> bytes:
        replies = b""
        while data:
            self.requests += 1
            head, unit, body = data[:4], data[6:7], data[7:12]
            function, address, word = struct.unpack(">BHH", body)
            reply = self.reply(function, address, word) or body
            replies += head + struct.pack(">H", 1 + len(reply)) + unit + reply
            data = data[12:]
        return replies

    def reply(self, function: int, address: int, word: int) -> bytes:
        if function in (1, 2):
            bits = (self.coils if function == 1 else self.inputs)[address : address + word]
            return bytes([function, 1, sum(bit << i for i, bit in enumerate(bits))])
        if function in (3, 4):
            words = (self.holding if function == 3 else self.analogue)[address : address + word]
            return bytes([function, 2 * word]) + struct.pack(f">{word}H", *words)
        if function == 5:
            if self.expired:
                return bytes([0x85, 4])
            self.coils[address] = self.inputs[5] = word == 0xFF00
        if function == 6 and self.keeps:
            self.holding[address] = word
            self.holding[2] = 1 if self.holding[1] else 0
        return b""


@pytest.fixture
def module() -> Module:
    return Module()


@pytest.fixture
def safety(
    module: Module,
    serve_socket: Callable[..., FakeSocket],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> SafetyIO:
    server = serve_socket(module.answer)
    address = f"modbus-tcp://127.0.0.1:{server.port}/1"
    safety = build("safety-1", "safety-io", address, {"poll": 0.5}, gate, clock, noted, bus)
    assert isinstance(safety, SafetyIO)
    return safety


def test_everything_is_read_in_one_go(safety: SafetyIO, module: Module) -> None:
    look_at(safety)
    assert [getattr(safety, name).get() for name in INPUT_SIGNALS] == [1, 1, 1, 1, 1, 0, 1, 1]
    assert [getattr(safety, name).get() for name in ANALOGUE_SIGNALS] == [25.1, 20.9, 0, 25.1, 25.2, 25.3, 25.4, 25.5]
    assert safety.watchdog.get() == "off"
    assert safety.comm_ok.get() == 1
    before = module.requests
    look_at(safety)
    assert module.requests == before + 2 * 4


def test_it_is_looked_at_as_often_as_the_lab_file_says(safety: SafetyIO, module: Module, clock: JumpClock) -> None:
    clock.sleep_until(JUMP_EPOCH_S + 1.9)
    # Recognized; all twice at each look, analogue inputs once more at the first.
    assert module.requests == 4 + 1 + 4 * 8
    assert safety.age_s.get() == pytest.approx(0.4)


def test_a_sensor_that_is_not_normal_has_no_value(safety: SafetyIO, module: Module) -> None:
    module.analogue[16] = module.analogue[18] = 1
    look_at(safety)
    assert math.isnan(safety.ai1_degc.get())
    assert math.isnan(safety.ai3.get())
    assert safety.ai2.get() == 20.9


def test_the_contactor_closes_with_leave_and_opens(
    safety: SafetyIO, module: Module, clock: JumpClock, gate: FakeGate
) -> None:
    assert end_of(clock, safety.set("close-contactor")) is None
    assert module.coils[0]
    assert safety.contactor_closed.get() == 1
    assert end_of(clock, safety.set("open-contactor")) is None
    assert not module.coils[0]
    assert [command.verb for command in gate.asked] == ["close-contactor", "open-contactor"]
    assert clock.now() == JUMP_EPOCH_S


def test_without_leave_the_contactor_stays_open(safety: SafetyIO, module: Module, gate: FakeGate) -> None:
    gate.denied["close-contactor"] = "the door is open"
    with pytest.raises(CommandDeniedError, match="the door is open"):
        safety.close_contactor()
    look_at(safety)
    assert not module.coils[0]


def test_a_module_that_refuses_is_quoted(safety: SafetyIO, module: Module, clock: JumpClock) -> None:
    module.expired = True
    error = end_of(clock, safety.close_contactor())
    assert isinstance(error, RefusedError)
    assert "Modbus exception 4 (device failure)" in str(error)


def test_the_watchdog_is_started_read_back_and_petted(
    safety: SafetyIO, module: Module, clock: JumpClock, gate: FakeGate
) -> None:
    assert end_of(clock, safety.set("start-watchdog", timeout_s=1.5)) is None
    assert module.holding[:3] == [1, 15, 1]
    assert end_of(clock, safety.pet()) is None
    assert module.holding[0] == 2
    assert [command.describe() for command in gate.asked] == ["start-watchdog 1.5 s", "pet"]


def test_every_petting_asks_the_gate_again(safety: SafetyIO, module: Module, clock: JumpClock, gate: FakeGate) -> None:
    end_of(clock, safety.start_watchdog(1.5))
    gate.denied["pet"] = "the monitor is not trusted"
    with pytest.raises(CommandDeniedError, match="safety-1: pet was denied: the monitor is not trusted"):
        safety.set("pet")
    assert module.holding[0] == 1


def test_a_watchdog_can_be_petted_long_after_it_was_started(safety: SafetyIO, module: Module, clock: JumpClock) -> None:
    end_of(clock, safety.start_watchdog(1.5))
    safety._poll_s = 60.0
    clock.sleep_until(clock.now() + 2 * GRANT_LIFE_S)
    assert end_of(clock, safety.pet()) is None
    assert module.holding[0] == 2


def test_a_watchdog_time_that_is_not_kept_is_told(safety: SafetyIO, module: Module, clock: JumpClock) -> None:
    module.keeps = False
    error = end_of(clock, safety.start_watchdog(1.0))
    assert isinstance(error, WrongInstrumentError)
    assert "set to 10 x 100 ms and holds 0" in str(error)


def test_an_impossible_watchdog_time_is_told(safety: SafetyIO, clock: JumpClock) -> None:
    assert isinstance(end_of(clock, safety.start_watchdog(0.01)), LimitError)


def test_re_arming_writes_the_code_and_nothing_else_does(safety: SafetyIO, module: Module, clock: JumpClock) -> None:
    end_of(clock, safety.close_contactor())
    assert module.holding[4] == 0
    assert end_of(clock, safety.set("rearm")) is None
    assert module.holding[4] == 0x5AFE


def test_it_says_who_it_is(safety: SafetyIO) -> None:
    assert safety.identify() == "safety module, watchdog off"


def test_an_analogue_input_that_flutters_has_no_value_and_takes_nothing_else_with_it(
    safety: SafetyIO, module: Module
) -> None:
    look_at(safety)
    answer, value = module.reply, iter(range(0, 30000, 500))

    def fluttering(function: int, address: int, word: int) -> bytes:
        module.analogue[7] = next(value)
        return answer(function, address, word)

    module.reply = fluttering  # type: ignore[method-assign]
    look_at(safety)
    assert safety.comm_ok.get() == 1
    assert math.isnan(safety.ai8.get())
    assert (safety.ai1_degc.get(), safety.ai2.get(), safety.door_closed.get()) == (25.1, 20.9, 1)


def test_whoever_opens_the_contactor_meanwhile_does_not_find_it_closed_again(
    safety: SafetyIO, module: Module, clock: JumpClock
) -> None:
    answer, closings = module.reply, []

    def opened_by_another(function: int, address: int, word: int) -> bytes:
        reply = answer(function, address, word)
        if function == 5 and word:
            closings.append(word)
            module.coils[address] = module.inputs[5] = False
        return reply

    module.reply = opened_by_another  # type: ignore[method-assign]
    error = end_of(clock, safety.set("close-contactor"))
    assert "was told to close and is open: did somebody else open it?" in str(error)
    assert len(closings) == 1
    assert not module.coils[0]


def test_an_opening_that_does_nothing_is_told_again_and_then_is_a_person_s(
    safety: SafetyIO, module: Module, clock: JumpClock
) -> None:
    module.coils[0] = True
    answer, openings = module.reply, []

    def deaf(function: int, address: int, word: int) -> bytes:
        if function == 5:
            openings.append(word)
            return b""
        return answer(function, address, word)

    module.reply = deaf  # type: ignore[method-assign]
    assert "cut the furnace's power by hand" in str(end_of(clock, safety.set("open-contactor")))
    assert openings == [0, 0, 0]
