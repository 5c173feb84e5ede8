"""Flow controllers on one line: the driver against simulated units, over a wire that can be tampered with."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.alicat import Alicat
from drivers.errors import (
    ActionFailedError,
    CommandDeniedError,
    ImplausibleError,
    LimitError,
    LinkError,
    UnknownDriverError,
    WrongInstrumentError,
)
from drivers.registry import build
from sim.chemistry import Truth
from sim.instruments.alicat import Alicat as Unit
from sim.parts.alicat_tables import FIRMWARES
from sim.plant import Plant
from tests.drivers.fakes import Answer, FakeGate, FakePty, Noted, end_of, look_at

TRUTH = Truth.nominal()
FAST = {"timeout": 0.05, "quiet": 0.01}


class Line:
    """Several units on one line, and whoever tampers with what they hear and say."""

    def __init__(self, clock: JumpClock) -> None:
        self.plant = Plant(clock, TRUTH, seed=7)
        self.units: dict[str, Unit] = {}
        self.requests: list[str] = []
        self.tamper: Callable[[str, bytes], bytes] = lambda request, reply: reply
        self.hear: Callable[[str], str] = lambda request: request

    def add(self, letter: str = "A", firmware: str = "10v20", full_scale_sccm: int = 500) -> Unit:
        unit = Unit(f"gas-{letter}", self.plant, letter, FIRMWARES[firmware], full_scale_sccm)
        self.units[letter] = unit
        return unit

    def answer(self, data: bytes) -> bytes:
        said = b""
        for raw in data.split(b"\r")[:-1]:
            request = raw.decode()
            self.requests.append(request)
            heard = self.hear(request)
            lines = [line for unit in self.units.values() for line in unit.answer(heard)]
            said += self.tamper(request, b"".join(line.encode() + b"\r" for line in lines))
        return said

    def told(self, beginning: str) -> list[str]:
        """The requests that begin so."""
        return [request for request in self.requests if request.startswith(beginning)]


Connect = Callable[..., Alicat]


@pytest.fixture
def line(clock: JumpClock) -> Line:
    return Line(clock)


@pytest.fixture
def far(line: Line, serve_pty: Callable[[Answer], FakePty]) -> FakePty:
    return serve_pty(line.answer)


@pytest.fixture
def connect(far: FakePty, gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus) -> Connect:
    def connect(letter: str = "A", flow_sccm: float = 200.0, **options: object) -> Alicat:
        told = {"unit": letter, "limits": {"flow": flow_sccm}, **FAST, **options}
        device = build(f"gas-{letter}", "alicat", far.path, told, gate, clock, noted, bus)
        assert isinstance(device, Alicat)
        return device

    return connect


@pytest.fixture
def unit(line: Line) -> Unit:
    return line.add()


@pytest.fixture
def gas(unit: Unit, connect: Connect) -> Alicat:
    return connect()


# -- who it is


@pytest.mark.parametrize(
    ("firmware", "said"),
    [
        ("10v20", "firmware 10v20.0-R24, unit A"),
        ("8v17", "firmware 8v17.0-R23, unit A"),
        ("5v", "firmware 5v12.0-R22, unit A"),
    ],
)
def test_a_unit_says_who_it_is(line: Line, connect: Connect, firmware: str, said: str) -> None:
    unit = line.add(firmware=firmware)
    assert connect().identify() == f"Alicat MC-500SCCM-D, serial {unit.serial}, {said}"


def test_a_letter_that_nobody_has_is_told(line: Line, connect: Connect) -> None:
    line.add("B")
    with pytest.raises(LinkError, match=r"gas-A: nobody answers at .*tty0 \(3 tries of 0.05 s\)"):
        connect().identify()


def test_an_exchanged_unit_is_told_and_gives_no_reading(gas: Alicat, unit: Unit) -> None:
    gas.identify()
    serial = unit.serial
    unit.other_device = True
    with pytest.raises(WrongInstrumentError, match=f"has serial number {unit.serial}, not {serial}: was it exchanged"):
        gas.identify()
    look_at(gas)
    assert gas.comm_ok.get() == 0
    assert math.isnan(gas.flow_sccm.get())


def test_the_serial_number_of_the_lab_file_holds(line: Line, connect: Connect) -> None:
    line.add()
    with pytest.raises(WrongInstrumentError, match="not 12345: was it exchanged"):
        connect(serial=12345).identify()


def test_a_limit_above_the_full_scale_is_told(line: Line, connect: Connect) -> None:
    line.add(full_scale_sccm=100)
    with pytest.raises(WrongInstrumentError, match=r"the lab file allows 200 sccm, and unit A .* has 100 sccm at most"):
        connect().identify()


@pytest.mark.parametrize("letter", ["a", "AB", "1", ""])
def test_a_unit_that_is_no_letter_is_told(connect: Connect, letter: str) -> None:
    with pytest.raises(UnknownDriverError, match="in the lab file, write one letter, A to Z"):
        connect(letter)


@pytest.mark.parametrize("units", ["NCCM", "SLPM"])
def test_units_that_cannot_be_or_do_not_agree_are_told(line: Line, connect: Connect, units: str) -> None:
    line.add()
    line.tamper = lambda request, reply: reply.replace(b"SCCM", units.encode()) if "DCU" in request else reply
    with pytest.raises(
        WrongInstrumentError, match=f"has mass flow and setpoint in .*{units}.*: set both to one of SCCM"
    ):
        connect().identify()


def test_a_layout_that_it_does_not_tell_can_be_said(line: Line, connect: Connect) -> None:
    line.add(firmware="8v17")
    line.tamper = lambda request, reply: b"?\r" if "??D*" in request else reply
    with pytest.raises(
        WrongInstrumentError, match=r"does not tell what is in its frames .*: say layout in the lab file"
    ):
        connect().identify()
    told = connect(layout="pressure:PSIA temperature:C volumetric:CCM mass:SCCM setpoint:SCCM gas")
    look_at(told)
    assert told.temperature_degc.get() == pytest.approx(22.0, abs=0.3)


def test_a_unit_that_does_not_tell_its_maker_is_asked_for_its_firmware(line: Line, connect: Connect) -> None:
    line.add()
    line.tamper = lambda request, reply: b"?\r" if "??M*" in request else reply
    assert connect().identify() == "Alicat, serial unknown, firmware 10v20.0-R24, unit A"


# -- readings


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_its_readings_are_published(line: Line, connect: Connect, firmware: str) -> None:
    unit = line.add(firmware=firmware)
    unit.panel_setpoint(100.0)
    gas = connect()
    look_at(gas)
    assert gas.setpoint_sccm.get() == 100.0
    assert gas.pressure_kpa.get() == pytest.approx(101.4, abs=0.2)
    assert gas.temperature_degc.get() == pytest.approx(22.0, abs=0.3)
    assert (gas.gas.get(), gas.status.get()) == ("N2", "")
    described = gas.describe()
    assert described["gas-A_setpoint_sccm"]["upper_ctrl_limit"] == 200.0
    assert described["gas-A_flow_sccm"]["units"] == "sccm"


def test_status_words_are_published_and_said(gas: Alicat, unit: Unit) -> None:
    unit.panel_hold()
    unit.locked = True
    look_at(gas)
    assert gas.status.get() == "HLD LCK"
    assert gas.trouble.get() == "valve held"


def test_an_error_of_its_converter_leaves_no_number(gas: Alicat, unit: Unit) -> None:
    unit.sensor_broken = True
    look_at(gas)
    assert gas.status.get() == "ADC"
    assert all(math.isnan(signal.get()) for signal in (gas.flow_sccm, gas.pressure_kpa, gas.temperature_degc))


def test_a_flow_over_range_is_no_number(gas: Alicat, unit: Unit, clock: JumpClock) -> None:
    unit.line.set_target(700.0, clock.now())
    clock.sleep_until(clock.now() + 10.0)
    look_at(gas)
    assert "MOV" in gas.status.get()
    assert math.isnan(gas.flow_sccm.get())


def test_two_units_on_one_line_are_not_mixed_up(line: Line, connect: Connect, clock: JumpClock) -> None:
    for letter in "AC":
        line.add(letter)
    first, second = connect("A"), connect("C")
    assert end_of(clock, first.set("set-flow", sccm=50.0)) is None
    assert end_of(clock, second.set("set-flow", sccm=150.0)) is None
    look_at(first)
    assert (first.setpoint_sccm.get(), second.setpoint_sccm.get()) == (50.0, 150.0)
    assert first.identify() != second.identify()


# -- flow


@pytest.mark.parametrize(("firmware", "command"), [("10v20", "ALS 120.00"), ("8v17", "AS 120.00"), ("5v", "AS 120.0")])
def test_a_flow_is_set_read_back_and_waited_for(
    line: Line, connect: Connect, clock: JumpClock, gate: FakeGate, firmware: str, command: str
) -> None:
    line.add(firmware=firmware)
    gas = connect()
    assert end_of(clock, gas.set("set-flow", sccm=120.0)) is None
    assert gate.asked[0].describe() == "set-flow 120 sccm"
    assert line.told("ALS ") + line.told("AS ") == [command]
    assert gas.flow_sccm.get() == pytest.approx(120.0, abs=10.0)
    assert 0.0 < clock.now() - JUMP_EPOCH_S < 10.0


@pytest.mark.parametrize("sccm", [200.1, -1.0, math.nan, math.inf])
def test_a_flow_above_the_limit_never_reaches_gate_or_wire(
    gas: Alicat, gate: FakeGate, line: Line, sccm: float
) -> None:
    with pytest.raises(LimitError, match=f"gas-A: {sccm:g} sccm requested, limit 200 sccm"):
        gas.set("set-flow", sccm=sccm)
    assert gate.asked == []
    assert line.told("ALS ") == []


def test_a_denial_is_raised_at_once(gas: Alicat, gate: FakeGate, line: Line) -> None:
    gate.denied["set-flow"] = "the exhaust is off"
    with pytest.raises(CommandDeniedError, match="the exhaust is off"):
        gas.set("set-flow", sccm=10.0)
    look_at(gas)
    assert line.told("ALS ") == []


@pytest.mark.parametrize("source", ["A", "U"])
def test_a_unit_that_takes_its_setpoint_from_elsewhere_is_told(
    gas: Alicat, unit: Unit, line: Line, clock: JumpClock, source: str
) -> None:
    unit.source = source
    error = end_of(clock, gas.set("set-flow", sccm=10.0))
    assert "takes its setpoint from " in str(error)
    assert "set its setpoint source to serial" in str(error)
    assert line.told("ALS ") == []
    assert gas.setpoint_source.get() in ("analog", "user")


@pytest.mark.parametrize("firmware", ["8v17", "5v"])
def test_older_firmware_that_ignores_setpoints_is_found_out(
    line: Line, connect: Connect, clock: JumpClock, firmware: str
) -> None:
    line.add(firmware=firmware).source = "A"
    error = end_of(clock, connect().set("set-flow", sccm=10.0))
    assert "took the setpoint 10 sccm, and 0 sccm is in force after 30 s" in str(error)


def test_a_setpoint_that_is_acknowledged_and_dropped_is_found_out(gas: Alicat, unit: Unit, clock: JumpClock) -> None:
    unit.ignore_setpoint = True
    error = end_of(clock, gas.set("set-flow", sccm=10.0))
    assert "took the setpoint 10 sccm, and 0 sccm is in force" in str(error)


def test_a_flow_that_does_not_come_is_told(gas: Alicat, unit: Unit, clock: JumpClock) -> None:
    unit.line.set_supply(120.0, clock.now())
    error = end_of(clock, gas.set("set-flow", sccm=150.0))
    assert isinstance(error, ActionFailedError)
    assert "sccm flow 30 s after 150 sccm were set: is the supply open" in str(error)


def test_no_flow_is_set_while_the_valve_is_held(gas: Alicat, unit: Unit, line: Line, clock: JumpClock) -> None:
    unit.panel_hold()
    assert "its valve is held, so no flow was set" in str(end_of(clock, gas.set("set-flow", sccm=10.0)))
    assert line.told("ALS ") == []


def test_a_flow_that_the_digits_cannot_hold_is_refused(line: Line, connect: Connect, clock: JumpClock) -> None:
    line.add(firmware="5v")
    error = end_of(clock, connect().set("set-flow", sccm=0.07))
    assert isinstance(error, LimitError)
    assert "0.07 sccm requested, the controller's digits make it 0.1 sccm" in str(error)


def test_a_flow_that_is_overtaken_by_another_says_so(gas: Alicat, clock: JumpClock) -> None:
    first = gas.set("set-flow", sccm=150.0)
    second = gas.set("set-flow", sccm=20.0)
    assert "the flow of 150 sccm was overtaken by another setpoint" in str(end_of(clock, first))
    assert end_of(clock, second) is None


def test_a_setpoint_whose_reply_is_lost_is_read_and_not_told_again(gas: Alicat, line: Line, clock: JumpClock) -> None:
    gas.link.act_timeout_s = 0.02
    line.tamper = lambda request, reply: b"" if request.startswith("ALS ") else reply
    assert end_of(clock, gas.set("set-flow", sccm=50.0)) is None
    assert line.told("ALS ") == ["ALS 50.00"]


def test_a_setpoint_that_is_lost_itself_is_told_again(gas: Alicat, line: Line, clock: JumpClock) -> None:
    gas.link.act_timeout_s = 0.02
    line.hear = lambda request: "" if request == "ALS 50.00" and len(line.told("ALS ")) == 1 else request
    assert end_of(clock, gas.set("set-flow", sccm=50.0)) is None
    assert line.told("ALS ") == ["ALS 50.00", "ALS 50.00"]


# -- stopping


def test_a_stop_ends_the_flow_and_what_was_asked_before(
    gas: Alicat, unit: Unit, line: Line, clock: JumpClock, gate: FakeGate
) -> None:
    end_of(clock, gas.set("set-flow", sccm=50.0))
    older = gas.set("set-flow", sccm=100.0)
    assert end_of(clock, gas.set("stop")) is None
    assert "was given up, because it was stopped" in str(end_of(clock, older))
    assert unit.line.target_sccm == 0.0
    assert gate.asked[-1].describe() == "stop"
    assert line.told("ALS ") == ["ALS 50.00", "ALS 0.00"]


def test_stopping_after_a_failure_stops_the_flow_and_after_success_does_not(
    gas: Alicat, unit: Unit, clock: JumpClock
) -> None:
    end_of(clock, gas.set("set-flow", sccm=50.0))
    gas.stop(success=True)
    clock.sleep_until(clock.now() + 10.0)
    assert unit.line.target_sccm == 50.0
    gas.stop()
    clock.sleep_until(clock.now() + 10.0)
    assert unit.line.target_sccm == 0.0


def test_stopping_raises_nothing_even_when_refused(
    gas: Alicat, gate: FakeGate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.denied["stop"] = "no"
    gas.stop()
    assert "gas-A: could not be stopped" in caplog.text


@pytest.mark.parametrize("why", ["held", "analog"])
def test_a_stop_closes_the_valve_where_the_setpoint_does_nothing(
    gas: Alicat, unit: Unit, clock: JumpClock, why: str
) -> None:
    unit.line.set_target(80.0, clock.now())
    clock.sleep_until(clock.now() + 10.0)
    if why == "held":
        unit.panel_hold()
    else:
        unit.source = "A"
    assert end_of(clock, gas.set("stop")) is None
    clock.sleep_until(clock.now() + 10.0)
    assert unit.line.flow_sccm(clock.now()) == pytest.approx(0.0, abs=0.01)


def test_a_stop_that_cannot_close_the_valve_says_so(line: Line, connect: Connect, clock: JumpClock) -> None:
    unit = line.add(firmware="8v17")
    unit.source = "A"
    unit.line.set_target(80.0, clock.now())
    error = end_of(clock, connect().set("stop"))
    assert "its setpoint stays at 80 sccm" in str(error)
    assert "cannot hold its valve closed: close the gas by hand" in str(error)


def test_a_stop_is_told_until_somebody_answers(gas: Alicat, unit: Unit, line: Line, clock: JumpClock) -> None:
    gas.link.act_timeout_s = 0.02
    end_of(clock, gas.set("set-flow", sccm=50.0))
    line.tamper = lambda request, reply: b""
    stopping = gas.set("stop")
    clock.sleep_until(clock.now() + 2.0)
    line.tamper = lambda request, reply: reply
    assert end_of(clock, stopping) is None
    assert unit.line.target_sccm == 0.0


# -- gas and tare


@pytest.mark.parametrize(("firmware", "command"), [("10v20", "AGS 1"), ("8v17", "AG 1"), ("5v", "AG 1")])
def test_a_gas_is_set_by_its_name(
    line: Line, connect: Connect, clock: JumpClock, gate: FakeGate, firmware: str, command: str
) -> None:
    unit = line.add(firmware=firmware)
    gas = connect()
    assert end_of(clock, gas.set("set-gas", gas="Ar")) is None
    assert gate.asked[0].describe() == "set-gas Ar"
    assert unit.gas == "Ar"
    assert line.told("AGS ") + line.told("AG ") == [command]
    look_at(gas)
    assert gas.gas.get() == "Ar"


def test_the_code_of_a_mix_is_asked_for(gas: Alicat, unit: Unit, line: Line, clock: JumpClock) -> None:
    assert end_of(clock, gas.set("set-gas", gas="H2-5")) is None
    assert (unit.gas, line.told("AGS")) == ("H2-5", ["AGS 201"])


def test_a_gas_that_it_does_not_have_is_told(gas: Alicat, line: Line, clock: JumpClock) -> None:
    assert "the controller has no gas 'Xx'" in str(end_of(clock, gas.set("set-gas", gas="Xx")))
    assert line.told("AGS") == []
    with pytest.raises(LimitError, match="is no name of a gas"):
        gas.set("set-gas", gas="N2\rAS 500")


@pytest.mark.parametrize("verb", ["set-gas", "tare"])
def test_neither_gas_nor_zero_is_changed_while_gas_flows(
    gas: Alicat, unit: Unit, line: Line, clock: JumpClock, verb: str
) -> None:
    arguments = {"gas": "Ar"} if verb == "set-gas" else {}
    end_of(clock, gas.set("set-flow", sccm=50.0))
    assert "its setpoint is 50 sccm, so " in str(end_of(clock, gas.set(verb, **arguments)))
    unit.panel_hold()
    unit.line.set_target(0.0, clock.now())
    assert "sccm flow with no setpoint" in str(end_of(clock, gas.set(verb, **arguments)))
    assert line.told("AGS") + line.told("AT") == []


def test_a_tare_takes_the_offset_off(gas: Alicat, clock: JumpClock, line: Line) -> None:
    look_at(gas)
    before_sccm = abs(gas.flow_sccm.get())
    assert before_sccm > 0.1
    assert end_of(clock, gas.set("tare")) is None
    look_at(gas)
    assert abs(gas.flow_sccm.get()) < 0.5 * before_sccm
    assert line.told("AT") == ["AT"]


def test_a_tare_whose_reply_is_lost_is_settled_by_the_flow(gas: Alicat, line: Line, clock: JumpClock) -> None:
    gas.link.act_timeout_s = 0.02
    line.tamper = lambda request, reply: b"" if request == "AT" else reply
    assert end_of(clock, gas.set("tare")) is None
    assert line.told("AT") == ["AT"]


def test_a_tare_that_cannot_be_settled_is_unknown_and_not_repeated(gas: Alicat, line: Line, clock: JumpClock) -> None:
    gas.link.act_timeout_s = 0.02
    line.hear = lambda request: "" if request == "AT" else request
    error = end_of(clock, gas.set("tare"))
    assert isinstance(error, ActionFailedError)
    assert "the reply was lost, so whether it did is unknown" in str(error)
    assert line.told("AT") == ["AT"]


# -- what others do to it


def test_what_was_changed_at_the_panel_is_told(gas: Alicat, unit: Unit, clock: JumpClock) -> None:
    end_of(clock, gas.set("set-flow", sccm=50.0))
    unit.panel_setpoint(80.0)
    look_at(gas)
    assert gas.local_override.get() == 1
    assert gas.trouble.get() == "its setpoint is 80 sccm, 50 sccm was told here"
    unit.panel_setpoint(50.0)
    look_at(gas)
    assert (gas.local_override.get(), gas.trouble.get()) == (0, "")


def test_a_gas_that_was_changed_at_the_panel_is_told(gas: Alicat, unit: Unit, clock: JumpClock) -> None:
    end_of(clock, gas.set("set-gas", gas="Ar"))
    unit.panel_gas("He")
    look_at(gas)
    assert gas.trouble.get() == "it measures He, Ar was told here"


def test_a_moment_without_power_shows_as_another_setpoint(gas: Alicat, unit: Unit, clock: JumpClock) -> None:
    end_of(clock, gas.set("set-flow", sccm=50.0))
    unit.power_cycle()
    look_at(gas)
    assert gas.trouble.get() == "its setpoint is 0 sccm, 50 sccm was told here"


# -- a wire that tampers


@pytest.mark.parametrize("field", range(1, 6))
def test_a_digit_that_was_changed_once_is_not_believed(gas: Alicat, line: Line, field: int) -> None:
    look_at(gas)
    changed: list[bytes] = []

    def change(request: str, reply: bytes) -> bytes:
        if request != "A" or changed:
            return reply
        changed.append(reply)
        words = reply.split()
        words[field] = words[field].replace(b"0", b"9")
        return b" ".join(words) + b"\r"

    line.tamper = change
    look_at(gas)
    assert changed
    assert gas.comm_ok.get() == 1
    assert gas.flow_sccm.get() == pytest.approx(0.3, abs=1.5)
    assert gas.setpoint_sccm.get() == 0.0


def test_readings_that_never_agree_are_not_believed(gas: Alicat, line: Line) -> None:
    look_at(gas)
    count = iter(range(100))
    line.tamper = lambda request, reply: re.sub(rb" \+02\d", b" +0%02d" % (20 + next(count)), reply)
    look_at(gas)
    assert gas.comm_ok.get() == 0
    assert isinstance(gas.last_error, ImplausibleError)
    assert math.isnan(gas.temperature_degc.get())


def test_a_value_that_cannot_be_is_not_believed(gas: Alicat, line: Line) -> None:
    look_at(gas)
    line.tamper = lambda request, reply: reply.replace(b"A +014", b"A +914") if request == "A" else reply
    look_at(gas)
    assert isinstance(gas.last_error, ImplausibleError)
    assert math.isnan(gas.pressure_kpa.get())


@pytest.mark.parametrize(
    "reply", [b"A +014.70 +0\r", b"B +014.70 +022.00 +000.00 +000.00 +000.00     N2\r", b"\xff\xfe\r", b""]
)
def test_what_is_no_frame_of_this_unit_is_no_reading(gas: Alicat, line: Line, reply: bytes) -> None:
    look_at(gas)
    line.tamper = lambda request, _: reply
    look_at(gas)
    assert gas.comm_ok.get() == 0
    assert math.isnan(gas.flow_sccm.get())
    assert gas.gas.get() == "unknown"
    line.tamper = lambda request, sound: sound
    look_at(gas)
    assert gas.comm_ok.get() == 1


def test_padding_around_lines_does_no_harm(line: Line, connect: Connect) -> None:
    line.add()
    line.tamper = lambda request, reply: b"".join(
        b"\x08\x08\x00" + row + b"\x00\r" for row in reply.split(b"\r") if row
    )
    gas = connect()
    look_at(gas)
    assert gas.comm_ok.get() == 1


def test_bytes_that_came_unasked_are_read_off(gas: Alicat, unit: Unit, far: FakePty) -> None:
    look_at(gas)
    far.say(unit.unsolicited())
    look_at(gas)
    assert gas.comm_ok.get() == 1
    assert gas.last_error is None
