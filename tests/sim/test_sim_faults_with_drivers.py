"""What goes wrong inside a simulated instrument, as whoever uses its driver notices it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import ActionFailedError, BusyError, RefusedError, WrongInstrumentError
from sim import Instrument
from sim.plant import DoorState
from sim.relay import Fault
from sim.relay.hooks import has_hook
from sim.wire.modbus_pdu import ModbusException
from tests.cases.case import all_cases, filled
from tests.sim.cell import Cell, working

pytestmark = pytest.mark.system

CASES = all_cases()
KNOWN_BY_A_NUMBER = (
    "alicat",
    "eurotherm-2416",
    "eurotherm-3216p",
    "eurotherm-epc3016",
    "mt-sics-balance",
    "quantos",
    "reflectance-spectrometer",
    "text-mill",
    "ur-robot",
    "yudian-aibus",
)
NAMELESS = ("aeris", "dh-gripper", "robotiq-gripper", "safety-io")
"""Nothing on their wires tells one from another."""
DARK = {"integration_ms": 20.0, "averages": 4}
FIRING = ((10.0, 420.0, 3600.0),)


class Busy(ModbusException):
    """What a gateway or a unit says that is at something else."""

    code = 6


class Acknowledged(ModbusException):
    """What it says that does it all the same."""

    code = 5


@contextmanager
def standing(driver: str, folder: Path, **options: Any) -> Iterator[tuple[Cell, Any, Any]]:
    """The simulated instrument of a driver's case alone on its wire, and the driver at it."""
    case = CASES[driver]
    results = folder / "results"
    results.mkdir()
    told = {"timeout": 0.3, **filled(case.options, results), **({"limits": case.limits} if case.limits else {})}
    alone = {key: value for key, value in filled(case.sim, results).items() if key != "watched_by"}
    one = Instrument(case.name, driver, case.address, alone)
    with working(folder, (one,), {case.name: {**told, **options}}) as cell:
        cell.wait(70.0)
        device = cell.look(case.name)
        assert device.comm_ok.get() == 1
        yield cell, device, cell.sim(case.name)


def wait_until(cell: Cell, true: Callable[[], bool]) -> bool:
    """Wait in lab time; a cable is out for a while of wall time, which no lab time brings back."""
    for _ in range(40):
        cell.wait(70.0)
        if true():
            return True
        time.sleep(0.02)
    return False


def stop_faults(cell: Cell, device: Any) -> bool:
    """End what is wrong, and give whether the driver finds back."""
    cell.simulation.relay.stop()
    return wait_until(cell, lambda: device.comm_ok.get() == 1)


def refuse(
    monkeypatch: pytest.MonkeyPatch, unit: Any, how: type[ModbusException], method: str, times: int
) -> list[Any]:
    """Have a Modbus unit refuse so many writes; one that is acknowledged is done. Gives what was written."""
    written: list[Any] = []
    write = getattr(unit, method)

    def once(address: int, values: Sequence[Any], **more: Any) -> None:
        written.append((address, tuple(values)))
        if len(written) > times or how is Acknowledged:
            write(address, values, **more)
        if len(written) <= times:
            raise how

    monkeypatch.setattr(unit, method, once)
    return written


# ---------------------------------------------------------------- another instrument of the kind


@pytest.mark.parametrize("driver", KNOWN_BY_A_NUMBER)
def test_another_instrument_of_the_kind_is_not_taken_for_the_one_that_is_meant(driver: str, tmp_path: Path) -> None:
    with standing(driver, tmp_path) as (cell, device, _):
        assert Fault.OTHER_DEVICE in cell.simulation.relay.faults_of(device.name)
        cell.simulation.relay.inject(device.name, Fault.OTHER_DEVICE, lasting=None)
        assert wait_until(cell, lambda: isinstance(device.last_error, WrongInstrumentError))
        assert device.comm_ok.get() == 0
        shown = [getattr(device, name).get() for name in device.MEASURED]
        assert [value for value in shown if value != "unknown" and value == value] == []
        assert stop_faults(cell, device)


@pytest.mark.parametrize("driver", NAMELESS)
def test_where_nothing_tells_one_from_another_none_is_exchanged(driver: str, tmp_path: Path) -> None:
    with standing(driver, tmp_path) as (cell, device, simulated):
        assert not has_hook(simulated, Fault.OTHER_DEVICE)
        assert Fault.OTHER_DEVICE not in cell.simulation.relay.faults_of(device.name)


# ---------------------------------------------------------------- busy


@contextmanager
def busy_for_a_while(simulated: Any, cell: Cell, begin: Callable[[], Any], seconds: float) -> Iterator[Any]:
    """Begin something while an instrument is busy, which it is for some lab seconds."""
    simulated.busy = True
    status = begin()
    cell.wait(seconds)
    assert not status.done
    simulated.busy = False
    yield cell.end(status)


def test_a_tare_waits_for_a_balance_at_something_else_and_is_sent_once(tmp_path: Path) -> None:
    with standing("mt-sics-balance", tmp_path) as (cell, device, balance):
        cell.do(device.name, "close-door")
        cell.wait(20.0)
        with busy_for_a_while(balance, cell, lambda: cell.set(device.name, "tare"), 6.0) as error:
            assert error is None
        assert cell.sent(device.name).count("T") == 1
        balance.busy = True
        cell.wait(70.0)
        assert (device.state.get(), device.comm_ok.get()) == ("busy", 1)
        assert isinstance(cell.do(device.name, "tare"), BusyError)
        assert cell.sent(device.name).count("T") == 1


def test_a_motion_is_told_again_to_a_doser_at_another_job(tmp_path: Path) -> None:
    with standing("quantos", tmp_path) as (cell, device, doser):
        with busy_for_a_while(doser, cell, lambda: cell.set(device.name, "close-door"), 9.0) as error:
            assert error is None
        assert device.door.get() == "closed"
        assert cell.log().count(f"{device.name} door closed") == 1


def test_a_head_is_asked_again_at_a_doser_at_another_job_and_not_for_ever(tmp_path: Path) -> None:
    with standing("quantos", tmp_path) as (cell, device, doser):
        cell.simulation.plant.change_head(device.name, 1)
        with busy_for_a_while(doser, cell, lambda: cell.set(device.name, "head-info"), 6.0) as error:
            assert error is None
        assert device.head_lot.get() == "TiO2-a"
        doser.busy = True
        error = cell.do(device.name, "head-info")
        assert isinstance(error, BusyError)
        assert "another job is running (I 2)" in str(error)


def test_a_dosing_that_met_another_job_is_not_begun_by_itself(tmp_path: Path) -> None:
    with standing("quantos", tmp_path) as (cell, device, doser):
        ready_to_dose(cell, device)
        act = doser._act
        doser._act = lambda words, reply: reply("QRA 61 1 I 2") if words[1:] == ["61", "1"] else act(words, reply)
        error = cell.do(device.name, "dose", mass_mg=100.0, tolerance_mg=3.0, sample_id="S1")
        assert "another job is running (I 2)" in str(error)
        assert cell.sent(device.name).count("QRA 61 1") == 1


def test_a_measurement_waits_for_a_diffractometer_at_another_one_and_not_for_ever(tmp_path: Path) -> None:
    with standing("aeris", tmp_path) as (cell, device, aeris):
        belt, holders = cell.simulation.plant.places[device.name], cell.simulation.plant.places["holders"]
        belt.put(2, holders.take(min(holders.holds)))
        how: dict[str, Any] = {"slot": 2, "program": "10-80deg-8min"}
        with busy_for_a_while(
            aeris, cell, lambda: cell.set(device.name, "measure", sample_id="S1", **how), 5.0
        ) as error:
            assert error is None
        assert cell.log().count(f"{device.name} measures S1 in slot 2") == 1
        aeris.busy = True
        cell.wait(70.0)
        assert (device.ready.get(), device.comm_ok.get()) == ("no", 1)
        assert isinstance(cell.do(device.name, "measure", sample_id="S2", **how), BusyError)
        assert isinstance(cell.do(device.name, "remove", sample_id="S1"), RefusedError)


def test_a_reference_waits_for_a_spectrometer_at_another_acquisition(tmp_path: Path) -> None:
    with standing("reflectance-spectrometer", tmp_path) as (cell, device, spectrometer):
        begin = lambda: cell.set(device.name, "reference-dark", **DARK)  # noqa: E731 - is begun while it is busy
        with busy_for_a_while(spectrometer, cell, begin, 6.0) as error:
            assert error is None
        assert cell.log().count(f"{device.name} acquires dark") == 1
        spectrometer.busy = True
        assert isinstance(cell.do(device.name, "reference-dark", **DARK), BusyError)


@pytest.mark.parametrize("how", [Busy, Acknowledged])
def test_a_setpoint_is_written_again_to_a_busy_controller(
    how: type[ModbusException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with standing("eurotherm-3216p", tmp_path) as (cell, device, unit):
        written = refuse(monkeypatch, unit, how, "write_holding", 1)
        assert cell.do(device.name, "set-setpoint", degc=400.0) is None
        assert device.setpoint_degc.get() == 400.0
        assert written == [(2, (400,))] * (2 if how is Busy else 1)


@pytest.mark.parametrize(("how", "runs"), [(Busy, False), (Acknowledged, True)])
def test_a_programme_is_never_started_twice_because_its_controller_was_busy(
    how: type[ModbusException], runs: bool, tmp_path: Path
) -> None:
    with standing("eurotherm-3216p", tmp_path) as (cell, device, unit):
        started, set_status = [], unit.set_status

        def start(value: float) -> None:
            started.append(value)
            if how is Acknowledged:
                set_status(value)
            if value == 1:
                raise how

        registers = unit._registers
        registers[23] = type(registers[23])(registers[23].read, start)
        status = cell.set(device.name, "run-program", steps=FIRING)
        cell.wait(130.0)
        assert started.count(1) == 1
        assert (device.program_status.get(), status.done) == (("run", False) if runs else ("reset", True))
        if not runs:
            assert "was told to run its programme and is in state reset" in str(status.exception())


def test_a_contactor_is_opened_although_its_module_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing("safety-io", tmp_path) as (cell, device, module):
        assert cell.do(device.name, "close-contactor") is None
        refuse(monkeypatch, module, Busy, "write_coils", 2)
        assert cell.do(device.name, "open-contactor") is None
        assert cell.look(device.name).contactor_closed.get() == 0.0


def test_a_goal_is_written_again_to_a_busy_gripper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with standing("dh-gripper", tmp_path) as (cell, device, gripper):
        cell.do(device.name, "activate")
        gripper.hand.surround(cell.clock.now())
        refuse(monkeypatch, gripper, Busy, "write_holding", 2)
        assert cell.do(device.name, "close", force_percent=40.0) is None
        assert device.holding.get() == "yes"


# ---------------------------------------------------------------- a watchdog, and power


def test_a_watchdog_that_expires_ends_a_firing_and_stays_expired(tmp_path: Path) -> None:
    with standing("eurotherm-epc3016", tmp_path) as (cell, device, unit):
        status = cell.set(device.name, "run-program", steps=FIRING)
        cell.wait(300.0)
        assert not status.done
        cell.simulation.relay.inject(device.name, Fault.WATCHDOG_EXPIRY)
        assert "its network watchdog has expired" in str(cell.end(status))
        assert "its network watchdog has expired" in device.trouble.get()
        cell.do(device.name, "reset-program")
        assert "its network watchdog has expired" in str(cell.do(device.name, "run-program", steps=FIRING))
        cell.wait(1000.0)
        assert unit.expired
        assert [what for what in cell.log() if "watchdog cleared" in what] == []


def test_a_module_that_lost_power_is_open_and_says_so(tmp_path: Path) -> None:
    with standing("safety-io", tmp_path) as (cell, device, _):
        assert cell.do(device.name, "start-watchdog", timeout_s=3000.0) is None
        assert cell.do(device.name, "close-contactor") is None
        assert (cell.look(device.name).contactor_closed.get(), device.changed.get()) == (1.0, "")
        cell.simulation.relay.inject(device.name, Fault.POWER_CYCLE)
        cell.wait(10.0)
        assert stop_faults(cell, device)
        assert (device.contactor_closed.get(), device.contactor_permit.get(), device.watchdog.get()) == (0, 0, "off")
        assert "its watchdog was running and is off: it lost power" in device.changed.get()
        assert cell.do(device.name, "start-watchdog", timeout_s=3000.0) is None
        assert (cell.look(device.name).watchdog.get(), device.changed.get()) == ("running", "")


# ---------------------------------------------------------------- stuck


@pytest.mark.parametrize("driver", ["dh-gripper", "robotiq-gripper"])
def test_a_gripper_that_is_stuck_has_neither_closed_nor_opened(driver: str, tmp_path: Path) -> None:
    with standing(driver, tmp_path) as (cell, device, gripper):
        cell.do(device.name, "activate")
        cell.do(device.name, "open")
        cell.simulation.relay.inject(device.name, Fault.STUCK, lasting=None)
        cell.look(device.name)
        assert "closed and holds nothing" in str(cell.do(device.name, "close", force_percent=40.0))
        assert stop_faults(cell, device)
        cell.do(device.name, "close", force_percent=40.0)
        cell.simulation.relay.inject(device.name, Fault.STUCK, lasting=None)
        cell.look(device.name)
        error = cell.do(device.name, "open")
        assert isinstance(error, ActionFailedError)
        assert "says that it has opened, and is still at 0 percent open: is it stuck?" in str(error)
        assert gripper.hand.opening(cell.clock.now()) == 1.0


def test_a_balance_that_feels_nothing_of_its_doors_is_suspected(tmp_path: Path) -> None:
    with standing("mt-sics-balance", tmp_path) as (cell, device, balance):
        assert cell.do(device.name, "close-door") is None
        assert device.stuck.get() == ""
        cell.wait(30.0)
        balance.stuck = True
        assert cell.do(device.name, "open-door") is None
        assert "it felt nothing while its doors moved" in device.stuck.get()
        balance.stuck = False
        assert cell.do(device.name, "close-door") is None
        assert device.stuck.get() == ""


def test_a_dosing_that_the_balance_did_not_feel_fails_and_names_no_mass(tmp_path: Path) -> None:
    with standing("quantos", tmp_path) as (cell, device, doser):
        ready_to_dose(cell, device)
        doser.stuck = True
        error = cell.do(device.name, "dose", mass_mg=100.0, tolerance_mg=3.0, sample_id="S1")
        assert isinstance(error, ActionFailedError)
        assert "it felt nothing fall: is its head empty, or its balance stuck?" in str(error)
        assert math.isnan(device.dosed_mg.get())
        assert len([what for what in cell.log() if " dosing " in what]) == 1


def test_a_spectrum_without_noise_is_none(tmp_path: Path) -> None:
    with standing("reflectance-spectrometer", tmp_path) as (cell, device, spectrometer):
        for verb in ("lamp-on", "reference-dark", "reference-white"):
            assert cell.do(device.name, verb, **({} if verb == "lamp-on" else DARK)) is None
        how: dict[str, Any] = {"from_nm": 400.0, "to_nm": 900.0, **DARK}
        assert cell.do(device.name, "measure", sample_id="S1", **how) is None
        cell.simulation.relay.inject(device.name, Fault.STUCK, lasting=None)
        cell.look(device.name)
        assert spectrometer.stuck
        for sample in ("S2", "S3"):
            error = cell.do(device.name, "measure", sample_id=sample, **how)
            assert isinstance(error, ActionFailedError)
            assert "is its detector stuck?" in str(error)
            assert (device.sample_id.get(), device.reflectance.get()) == ("", ())
        assert stop_faults(cell, device)
        assert cell.do(device.name, "measure", sample_id="S4", **how) is None


def ready_to_dose(cell: Cell, device: Any) -> None:
    """Put a head on and an empty vial on the pan, and close everything."""
    plant = cell.simulation.plant
    doser, vials = plant.dosers[device.name], plant.places["vials"]
    with plant.lock:
        plant.change_head(device.name, 1)
        doser.pin_locked, doser.door = True, DoorState.CLOSED
        doser.put(1, vials.take(min(vials.holds)))
