"""The simulated Alicat command by command, against captured replies, and as the public ``alicat`` package sees it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alicat.driver import FlowController

from drivers.bus import Bus
from drivers.clock import JumpClock, RealClock, ScaledClock
from drivers.devices.alicat import Alicat as Driver
from drivers.gate import Command, Granted
from drivers.registry import build
from sim import Instrument, Laboratory, Simulation, serve
from sim.errors import BadAddressError, BadOptionError
from sim.instruments.alicat import Alicat, Receiver
from sim.parts.alicat_tables import FIRMWARES
from sim.plant import Plant

Wait = Callable[[float], None]


@pytest.fixture
def unit(plant: Plant) -> Alicat:
    return Alicat("gas-1", plant, "A", FIRMWARES["10v20"], 500)


@pytest.fixture
def eight(plant: Plant) -> Alicat:
    return Alicat("gas-1", plant, "B", FIRMWARES["8v17"], 500)


@pytest.fixture
def five(plant: Plant) -> Alicat:
    return Alicat("gas-1", plant, "A", FIRMWARES["5v"], 500)


def said(unit: Alicat, line: str) -> str:
    [reply] = unit.answer(line)
    return reply


def shape(line: str) -> str:
    """A line with every digit made 9 and every sign made +, as two frames of one layout have it alike."""
    return re.sub(r"-(?=\d)", "+", re.sub(r"\d", "9", line))


def test_frames_have_the_shape_of_captured_ones(unit: Alicat, five: Alicat) -> None:
    assert shape(said(unit, "A")) == shape("A +014.62 +021.89 +000.00 +000.00 +078.95     N2")
    assert shape(said(five, "A")) == shape("A +014.52 +021.50 +0000.1 +0000.2 0116.3      N2")


def test_layouts_are_as_captured(unit: Alicat, eight: Alicat, five: Alicat) -> None:
    young = unit.answer("A??D*")
    assert young[0] == "A D00 ID_ NAME______________________ TYPE_______ WIDTH NOTES___________________"
    assert young[2] == "A D02 002 Abs Press                  s decimal     7/2 010 02 PSIA"
    assert young[3] == "A D03 003 Flow Temp                  s decimal     7/2 002 02 `C"
    assert young[6] == "A D06 037 Mass Flow Setpt            s decimal     7/2 012 02 SCCM"
    assert young[7] == "A D07 703 Gas                        string          6"
    assert young[8] == "A D08 701 *Error                     string          3 ADC"
    assert [len(rows) for rows in (young, eight.answer("B??D*"), five.answer("A??D*"))] == [22, 20, 15]
    assert five.answer("A??D*")[5] == "A  D05 Mass        signed    +0000.0  +0500.0     SCCM"
    assert five.answer("A??D*")[13] == "A  D13 Status      string         na      VOV       na"


def test_maker_firmware_and_gases_are_as_captured(unit: Alicat, eight: Alicat) -> None:
    rows = unit.answer("A??M*")
    assert rows[0] == "A  M00 ALICAT SCIENTIFIC"
    assert rows[4] == "A  M04 Model Number MC-500SCCM-D"
    assert rows[9] == "A  M09 Software Revision 10v20.0-R24"
    assert said(unit, "AVE") == "A   10v20.0-R24 Jan  9 2025,15:04:07"
    assert said(eight, "BVE") == "B   8v17.0-R23 Nov 27 2019,15:28:45"
    assert unit.answer("A??G*")[:3] == ["A G00      Air", "A G01       Ar", "A G02      CH4"]
    assert unit.answer("A??G*")[5] == "A G05     C2H6"


def test_young_commands_answer_as_captured(unit: Alicat) -> None:
    assert said(unit, "ALS 100.0") == "A +000.00 +100.00 12 SCCM"
    assert said(unit, "ALS") == "A +100.00 +100.00 12 SCCM"
    assert said(unit, "ALSS") == "A S"
    assert said(unit, "AGS 8") == "A 8 N2 Nitrogen"
    assert said(unit, "ADCU 5") == "A 12 SCCM"
    assert said(unit, "AFPF 5") == "A +500.00 12 SCCM"
    assert said(unit, "ALV") == "A 37"
    assert said(unit, "AR122") == "A   122 = 37"


def test_older_firmware_answers_young_commands_with_its_frame_or_refuses(eight: Alicat, five: Alicat) -> None:
    for command in ("LS", "LSS", "LV", "GS 8"):
        assert shape(said(eight, f"B{command}")) == shape(said(eight, "B"))
    assert said(eight, "BDCU 5") == "?"
    assert said(eight, "BFPF 5") == "B +500.00 12 SCCM"
    assert said(five, "AFPF 5") == "?"


@pytest.mark.parametrize("command", ["A S 75.0", "AS75.00", "AS 75"])
def test_legacy_setpoints_are_answered_with_the_frame(unit: Alicat, command: str) -> None:
    assert said(unit, command).split()[5] == "+075.00"


@pytest.mark.parametrize(
    "command",
    ["AXYZ", "AS 501", "AS -1", "AS", "AS x", "ALS 600", "ALSS Q", "AG 99", "AGS 99", "AW122=1", "AFPF 9", "A?"],
)
def test_what_it_does_not_know_or_will_not_do_is_refused(unit: Alicat, command: str) -> None:
    before = unit.line.target_sccm, unit.gas
    assert said(unit, command) == "?"
    assert (unit.line.target_sccm, unit.gas) == before


@pytest.mark.parametrize("line", ["B", "BS 10", "", "a"])
def test_what_is_for_another_unit_is_met_with_silence(unit: Alicat, line: str) -> None:
    assert unit.answer(line) == []


def test_a_setpoint_from_elsewhere_wins_over_the_line(unit: Alicat) -> None:
    assert said(unit, "ALSS A") == "A A"
    assert said(unit, "ALS 100.0") == "A +000.00 +000.00 12 SCCM"
    assert said(unit, "AS 100.0").split()[5] == "+000.00"
    said(unit, "ALSS S")
    assert said(unit, "ALS 100.0") == "A +000.00 +100.00 12 SCCM"


def test_gas_by_register_keeps_its_other_bits(unit: Alicat) -> None:
    assert said(unit, "A$$W46=1") == "A   046 = 1025"
    assert said(unit, "A").split()[6] == "Ar"


@pytest.mark.parametrize(("hold", "release"), [("AHP", "AC"), ("A$$H", "A$$C"), ("AHC", "AC")])
def test_a_held_valve_shows(unit: Alicat, wait: Wait, hold: str, release: str) -> None:
    said(unit, "AS 100")
    wait(10.0)
    assert said(unit, hold).endswith("N2 HLD")
    wait(10.0)
    assert float(said(unit, "A").split()[4]) == pytest.approx(0.0 if hold == "AHC" else 100.0, abs=3.0)
    assert not said(unit, release).endswith("HLD")


def test_status_words_follow_each_other(unit: Alicat) -> None:
    unit.locked = unit.sensor_broken = True
    unit.panel_hold()
    assert said(unit, "A").split()[7:] == ["ADC", "HLD", "LCK"]


def test_a_stuck_unit_says_what_it_said(unit: Alicat, wait: Wait) -> None:
    unit.stuck = True
    frozen = said(unit, "A")
    said(unit, "AS 100")
    wait(10.0)
    assert said(unit, "A") == frozen
    unit.stuck = False
    assert said(unit, "A") != frozen


def test_while_it_streams_it_listens_to_nothing_else(unit: Alicat, wait: Wait) -> None:
    sent: list[bytes] = []
    ear = unit.receiver(sent.append)
    ear.receive(b"A@ @\r")
    wait(0.22)
    assert len(sent) == 4
    assert all(line.startswith(b"@ +") and line.endswith(b"\r") for line in sent)
    ear.receive(b"A\rAVE\r")
    assert len(sent) == 4
    ear.receive(b"@@ A\r")
    wait(1.0)
    assert len(sent) == 5
    ear.receive(b"A\r")
    assert sent[-1].startswith(b"A +")


def test_lines_in_pieces_and_noise_are_survived(unit: Alicat) -> None:
    sent: list[bytes] = []
    ear = Receiver(sent.append, unit)
    for piece in (b"A", b"VE", b"\r\n", b"x" * 300, b"\rA\r"):
        ear.receive(piece)
    assert [line[:2] for line in sent] == [b"A ", b"A "]


@pytest.mark.parametrize("options", [{"firmware": "9v"}, {"unit": "AB"}])
def test_what_there_is_not_is_refused(tmp_path: Path, clock: JumpClock, options: dict[str, object]) -> None:
    laboratory = Laboratory("lab", (Instrument("gas-1", "alicat", "pty:sim/gas-1", options),), {}, seed=1)
    with pytest.raises(BadOptionError, match=r"gas-1: firmware .* were asked for"):
        serve(laboratory, clock, tmp_path)


def test_two_units_with_one_letter_cannot_share_a_line(tmp_path: Path, clock: JumpClock) -> None:
    both = tuple(Instrument(f"gas-{n}", "alicat", "pty:sim/gas", {"unit": "A"}) for n in (1, 2))
    with pytest.raises(BadAddressError, match="gas-2: gas-1 answers at the same"):
        serve(Laboratory("lab", both, {}, seed=1), clock, tmp_path)


# -- over real wires


class OpenGate:
    """Grants everything."""

    def __init__(self, clock: RealClock) -> None:
        self._clock = clock

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        return Granted(command, self._clock.now())


class Silent:
    """A transcript that keeps nothing."""

    def frame(self, link: str, direction: str, data: bytes) -> None:
        pass

    def file(self, link: str, name: str, content: bytes) -> None:
        pass


def served(clock: Any, folder: Path, *instruments: Instrument) -> Simulation:
    return serve(Laboratory("lab", instruments, {}, seed=4), clock, folder)


@pytest.mark.system
def test_the_driver_makes_a_streaming_unit_listen(tmp_path: Path) -> None:
    clock = RealClock()
    with served(clock, tmp_path, Instrument("gas-1", "alicat", "pty:sim/gas-1")) as simulation:
        unit = simulation.instruments["gas-1"]
        assert isinstance(unit, Alicat)
        with simulation.plant.lock:
            unit.begin_stream()
        bus = Bus("gas-1", clock)
        options = {"limits": {"flow": 200.0}, "timeout": 0.3}
        device = build("gas-1", "alicat", simulation.endpoints["gas-1"], options, OpenGate(clock), clock, Silent(), bus)
        assert isinstance(device, Driver)
        try:
            assert device.identify().startswith("Alicat MC-500SCCM-D")
            device.bus.call("gas-1", device.poll)
            assert (device.comm_ok.get(), device.gas.get()) == (1, "N2")
        finally:
            bus.close()


async def witness(address: str) -> dict[str, Any]:
    """What the public package makes of a unit: read, set flow and gas, lock, hold, tare."""
    found: dict[str, Any] = {}
    controller = FlowController(address, unit="A")
    try:
        found["first"] = await controller.get()
        await controller.set_flow_rate(75.0)
        await asyncio.sleep(0.3)
        found["flowing"] = await controller.get()
        await controller.set_flow_rate(0.0)
        await controller.set_gas("Ar")
        await controller.lock()
        found["locked"] = await controller.is_locked()
        await controller.unlock()
        found["unlocked"] = not await controller.is_locked()
        await controller.tare_volumetric()
        await controller.tare_pressure()
        found["last"] = await controller.get()
        found["firmware"] = await controller.get_firmware()
        with pytest.raises(ValueError, match="not supported"):
            await controller.set_gas("Phlogiston")
        stranger = FlowController(address, unit="Z", timeout=0.1)
        with pytest.raises(OSError, match="Could not read control point"):
            await stranger.get()
        await stranger.hw.close()
    finally:
        # Closing the controller alone leaves its connection open.
        await controller.hw.close()
    return found


@pytest.mark.system
@pytest.mark.parametrize("firmware", FIRMWARES)
def test_the_public_package_drives_it(tmp_path: Path, firmware: str) -> None:
    with served(
        ScaledClock(20.0), tmp_path, Instrument("gas-1", "alicat", "socket://sim:7301", {"firmware": firmware})
    ) as simulation:
        address = simulation.endpoints["gas-1"].removeprefix("socket://")
        found = asyncio.run(witness(address))
    assert found["first"]["gas"] == "N2"
    assert found["first"]["control_point"] == "mass flow"
    assert found["first"]["pressure"] == pytest.approx(14.7, abs=0.2)
    assert found["flowing"]["setpoint"] == 75.0
    assert found["flowing"]["mass_flow"] == pytest.approx(75.0, abs=3.0)
    assert (found["locked"], found["unlocked"]) == (True, True)
    assert (found["last"]["gas"], found["last"]["setpoint"]) == ("Ar", 0.0)
    assert FIRMWARES[firmware].text in found["firmware"]
