"""Each Eurotherm driver on the wire of its simulator: what must be the same for all of them, and what goes wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.address import port_of
from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.errors import ActionFailedError, BusyError, LimitError, WrongInstrumentError
from drivers.furnaces.programmed import ProgrammedFurnace
from drivers.gate import Command, Granted
from drivers.registry import build
from drivers.status import ActionStatus
from sim import Instrument, Laboratory, serve
from sim.parts.eurotherm import EurothermUnit
from sim.parts.furnace_unit import BrokenReads

pytestmark = pytest.mark.system

ADDRESSES = {
    "eurotherm-2416": "modbus-rtu:sim/furnace/3",
    "eurotherm-3216p": "modbus-rtu:sim/furnace/1",
    "eurotherm-epc3016": "modbus-tcp://sim:5316/1",
}
MODELS = tuple(ADDRESSES)
LIMITS = {"setpoint": 1100.0, "ramp": 10.0}
FIRING = ((10.0, 420.0, 3600.0), (5.0, 120.0, 600.0))
TO_PEAK_S = 40 * 60.0


@dataclass
class OpenGate:
    clock: JumpClock
    asked: list[Command] = field(default_factory=list)

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        self.asked.append(command)
        return Granted(command, self.clock.now())


class Silent:
    def frame(self, link: str, direction: str, data: bytes) -> None:
        pass

    def file(self, link: str, name: str, content: bytes) -> None:
        pass


@dataclass
class Bench:
    """One furnace with its driver."""

    furnace: ProgrammedFurnace
    unit: EurothermUnit
    clock: JumpClock

    def wait(self, seconds: float) -> None:
        self.clock.sleep_until(self.clock.now() + seconds)

    def end_of(self, status: ActionStatus) -> BaseException | None:
        over = self.clock.event()
        status.add_callback(lambda _: over.set())
        assert over.wait(self.clock.now() + 1e6)
        return status.exception()

    def do(self, verb: str, **arguments: Any) -> BaseException | None:
        return self.end_of(self.furnace.set(verb, **arguments))

    def heard(self) -> list[str]:
        """What the simulated controller was told."""
        return [what for _, what in self.unit._plant.log]


@contextmanager
def put_up(model: str, folder: Path, options: dict[str, Any], **sim: Any) -> Iterator[Bench]:
    clock = JumpClock()
    plan = Laboratory("lab", (Instrument("furnace", model, ADDRESSES[model], sim),), {}, seed=5)
    with serve(plan, clock, folder / "wires") as simulation:
        address = simulation.endpoints["furnace"]
        bus = Bus("furnace", clock)
        options = {"limits": LIMITS, **options}
        furnace = build("furnace", model, address, options, OpenGate(clock), clock, Silent(), bus)
        assert isinstance(furnace, ProgrammedFurnace)
        unit = simulation.plant.furnaces["furnace"].controller
        assert isinstance(unit, EurothermUnit)
        assert port_of(address)
        try:
            yield Bench(furnace, unit, clock)
        finally:
            bus.close()


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(model: str, tmp_path: Path) -> Iterator[Bench]:
    with put_up(model, tmp_path, {}) as bench:
        yield bench


@pytest.fixture
def fired(bench: Bench) -> tuple[Bench, ActionStatus]:
    """A furnace a quarter of an hour into its firing."""
    status = bench.furnace.set("run-program", steps=FIRING)
    bench.wait(900.0)
    assert not status.done
    return bench, status


# ---------------------------------------------------------------- what works


def test_it_says_who_it_is(bench: Bench) -> None:
    assert bench.furnace.identify().startswith("Eurotherm type 0x")


def test_a_firing_is_loaded_run_and_followed_to_its_end(bench: Bench) -> None:
    began_s = bench.clock.now()
    assert bench.do("run-program", steps=FIRING) is None
    assert bench.clock.now() - began_s == pytest.approx(TO_PEAK_S + 3600.0 + 3600.0 + 600.0, abs=90.0)
    assert bench.furnace.peak_degc.get() == pytest.approx(420.0, abs=6.0)
    assert bench.furnace.program_status.get() == "end"
    assert (bench.furnace.trouble.get(), bench.furnace.local_override.get(), bench.furnace.rounding.get()) == (
        "",
        0,
        "",
    )


def test_everything_is_described_with_its_unit(bench: Bench) -> None:
    described = bench.furnace.describe()
    units = {name.removeprefix("furnace_"): entry["units"] for name, entry in described.items()}
    assert units["reading_degc"] == units["setpoint_degc"] == units["peak_degc"] == "degC"
    assert units["output_percent"] == "%"
    assert described["furnace_setpoint_degc"]["upper_ctrl_limit"] == 1100.0


def test_a_programme_that_runs_is_adopted(fired: tuple[Bench, ActionStatus]) -> None:
    bench, first = fired
    bench.furnace._running = None
    again = bench.furnace.set("run-program", steps=FIRING)
    assert bench.end_of(again) is None
    assert bench.end_of(first) is None
    assert sum("programmer run" in what for what in bench.heard()) == 1


def test_another_programme_is_not_started_over_it(fired: tuple[Bench, ActionStatus]) -> None:
    bench, first = fired
    bench.furnace._running = None
    assert isinstance(bench.do("run-program", steps=((10.0, 300.0, 60.0),)), BusyError)
    assert not first.done


def test_a_hold_and_a_continue_make_the_firing_longer(fired: tuple[Bench, ActionStatus]) -> None:
    bench, status = fired
    assert bench.do("hold-program") is None
    held_degc = bench.furnace.setpoint_degc.get()
    bench.wait(7200.0)
    assert (bench.furnace.program_status.get(), bench.furnace.local_override.get()) == ("hold", 0)
    assert bench.furnace.setpoint_degc.get() == held_degc
    assert bench.do("continue-program") is None
    assert bench.end_of(status) is None


def test_a_setpoint_is_held_and_a_reset_ends_it(bench: Bench) -> None:
    assert bench.do("set-setpoint", degc=300.0) is None
    bench.wait(3 * 3600.0)
    assert bench.furnace.reading_degc.get() == pytest.approx(300.0, abs=3.0)
    assert bench.furnace.trouble.get() == ""
    assert bench.do("reset-program") is None
    bench.wait(60.0)
    assert (bench.furnace.setpoint_degc.get(), bench.furnace.output_percent.get()) == (0.0, 0.0)


def test_a_setpoint_after_a_programme_that_is_over_is_in_force(bench: Bench) -> None:
    assert bench.do("run-program", steps=((10.0, 52.0, 60.0),)) is None
    assert bench.furnace.program_status.get() == "end"
    assert bench.do("set-setpoint", degc=150.0) is None
    assert (bench.furnace.setpoint_degc.get(), bench.furnace.program_status.get()) == (150.0, "reset")


def test_a_setpoint_on_a_rate_limit_is_on_its_way(bench: Bench) -> None:
    bench.unit.programmer.limit_degc_per_min = 5.0
    assert bench.do("set-setpoint", degc=300.0) is None
    bench.wait(3600.0)
    assert (bench.furnace.setpoint_degc.get(), bench.furnace.trouble.get()) == (300.0, "")


def test_a_reset_during_a_firing_ends_it(fired: tuple[Bench, ActionStatus]) -> None:
    bench, status = fired
    bench.furnace.stop()
    assert "was ended by a stop" in str(bench.end_of(status))
    bench.wait(60.0)
    assert (bench.furnace.program_status.get(), bench.furnace.setpoint_degc.get()) == ("reset", 0.0)


def test_a_reset_makes_a_furnace_in_manual_cold_too(bench: Bench) -> None:
    bench.unit.panel_manual(40.0)
    bench.wait(120.0)
    assert bench.furnace.output_percent.get() == 40.0
    assert bench.do("reset-program") is None
    bench.wait(60.0)
    assert bench.furnace.output_percent.get() == 0.0
    assert bench.unit.manual_percent == 0.0


# ---------------------------------------------------------------- digits


@pytest.mark.parametrize("decimals", [0, 1])
def test_temperatures_follow_the_decimals_of_the_controller(model: str, tmp_path: Path, decimals: int) -> None:
    with put_up(model, tmp_path, {}, decimals=decimals) as bench:
        assert bench.do("set-setpoint", degc=300.0) is None
        bench.wait(3 * 3600.0)
        assert bench.furnace.reading_degc.get() == pytest.approx(300.0, abs=3.0)
        assert bench.unit.programmer.target_degc == 300.0


@pytest.mark.parametrize(
    ("model", "shown"), [("eurotherm-3216p", False), ("eurotherm-2416", True), ("eurotherm-epc3016", True)]
)
def test_the_32_bit_area_gives_digits_that_the_display_has_not(model: str, tmp_path: Path, shown: bool) -> None:
    with put_up(model, tmp_path, {}) as bench:
        bench.wait(60.0)
        assert (bench.furnace.reading_degc.get() % 1.0 != 0.0) is shown


@pytest.mark.parametrize("model", ["eurotherm-2416", "eurotherm-epc3016"])
def test_it_can_be_left_alone(model: str, tmp_path: Path) -> None:
    with put_up(model, tmp_path, {"ieee": False}) as bench:
        assert bench.do("run-program", steps=FIRING) is None
        assert bench.furnace.reading_degc.get() % 1.0 == 0.0


def test_what_is_rounded_is_said(bench: Bench) -> None:
    status = bench.furnace.set("run-program", steps=((4.37, 400.4, 3601.0), (4.0, 100.0, 0.0)))
    bench.wait(60.0)
    said = bench.furnace.rounding.get()
    assert "step 1: 4.37 degC/min is held as 4.4 degC/min; step 1: 400.4 degC is held as 400 degC" in said
    assert ("3601 s is held as" in said) is ("EPC" not in type(bench.furnace).__name__.upper())
    assert not status.done
    assert bench.do("reset-program") is None
    assert bench.do("set-setpoint", degc=200.3) is None
    assert bench.furnace.rounding.get() == "200.3 degC is held as 200 degC"


def test_what_would_be_another_firing_is_refused(bench: Bench) -> None:
    with pytest.raises(LimitError, match=r"furnace: step 1: 0.03 degC/min was requested, the instrument can hold 0.1"):
        bench.furnace.set("run-program", steps=((0.03, 400.0, 60.0),))
    with pytest.raises(LimitError, match=r"furnace: .*(steps|segments)"):
        bench.furnace.set("run-program", steps=tuple((5.0, 100.0 + k, 60.0) for k in range(20)))


@pytest.mark.parametrize("to", [0, 2])
def test_other_decimals_are_noticed_and_refused(model: str, tmp_path: Path, to: int) -> None:
    with put_up(model, tmp_path, {}, decimals=1) as bench:
        assert bench.do("set-setpoint", degc=300.0) is None
        bench.wait(3600.0)
        bench.unit.decimals = to
        assert isinstance(bench.do("set-setpoint", degc=310.0), WrongInstrumentError)
        error = bench.do("run-program", steps=FIRING)
        assert f"counts temperatures with {to} decimals (register 525), not with 1" in str(error)
        bench.wait(61.0)
        reading = bench.furnace.reading_degc.get()
        # 32-bit numbers have no decimals that somebody could change.
        assert math.isnan(reading) if model == "eurotherm-3216p" else reading == pytest.approx(300.0, abs=5.0)
        assert bench.unit.programmer.target_degc == 300.0


def test_decimals_other_than_those_of_the_lab_file_are_refused(model: str, tmp_path: Path) -> None:
    refused = pytest.raises(WrongInstrumentError, match=r"with 0 decimals \(register 525\), not with 1")
    with put_up(model, tmp_path, {"decimals": 1}) as bench, refused:
        bench.furnace.identify()


def test_another_type_at_the_address_is_refused(model: str, tmp_path: Path) -> None:
    refused = pytest.raises(WrongInstrumentError, match=r"is of type 0x.*, not 0x7")
    with put_up(model, tmp_path, {"instrument_type": 7}) as bench, refused:
        bench.furnace.identify()


def test_a_known_type_of_another_model_is_refused(model: str, tmp_path: Path) -> None:
    if model == "eurotherm-3216p":
        pytest.skip("its own type")
    refused = pytest.raises(WrongInstrumentError, match=r"is a 3216P \(type 0xf3\), which this driver is not for")
    with put_up(model, tmp_path, {}, instrument_type=0xF3) as bench, refused:
        bench.furnace.identify()


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("reads", list(BrokenReads))
def test_a_broken_sensor_gives_no_reading_whatever_it_sends(model: str, tmp_path: Path, reads: BrokenReads) -> None:
    with put_up(model, tmp_path, {}) as bench:
        status = bench.furnace.set("run-program", steps=FIRING)
        bench.wait(900.0)
        bench.unit.broken_reads = reads
        bench.unit.sensor_broken = True
        assert "the sensor is broken or out of range (status 0x" in str(bench.end_of(status))
        assert math.isnan(bench.furnace.reading_degc.get())
        assert bench.furnace.comm_ok.get() == 1
        assert bench.do("reset-program") is None
        assert "so no setpoint was set" in str(bench.do("set-setpoint", degc=100.0))
        assert "so no programme was started" in str(bench.do("run-program", steps=FIRING))


def test_a_power_cycle_interrupts_the_firing(fired: tuple[Bench, ActionStatus]) -> None:
    bench, status = fired
    bench.unit.power_cycle()
    assert str(bench.end_of(status)) == ("furnace: the programme went to reset before its end: its power was off")
    assert bench.furnace.local_override.get() == 1
    # Nothing heats by itself after that, and the next firing is not refused for it.
    assert bench.furnace.setpoint_degc.get() == 0.0
    assert bench.do("run-program", steps=((10.0, 200.0, 60.0), (10.0, 100.0, 0.0))) is None


@pytest.mark.parametrize(
    ("panel", "said"),
    [
        (lambda unit: unit.panel_hold(), "the programme went to hold before its end: was it stopped at the panel"),
        (lambda unit: unit.panel_reset(), "the programme went to reset before its end: was it stopped at the panel"),
        (lambda unit: unit.panel_manual(30.0), "furnace: it is in manual during the programme"),
    ],
)
def test_somebody_at_the_panel_interrupts_the_firing(fired: tuple[Bench, ActionStatus], panel: Any, said: str) -> None:
    bench, status = fired
    panel(bench.unit)
    assert said in str(bench.end_of(status))
    assert bench.furnace.local_override.get() == 1
    assert bench.furnace.trouble.get() != ""


def test_a_setpoint_from_the_panel_is_told(bench: Bench) -> None:
    assert bench.do("set-setpoint", degc=300.0) is None
    bench.unit.panel_setpoint(350.0)
    bench.wait(61.0)
    assert bench.furnace.local_override.get() == 1
    assert bench.furnace.trouble.get() == "its setpoint is 350 degC, 300 degC was told here"
    assert bench.do("set-setpoint", degc=300.0) is None
    assert (bench.furnace.local_override.get(), bench.furnace.trouble.get()) == (0, "")


def test_a_programme_that_somebody_started_is_told(bench: Bench) -> None:
    assert bench.do("run-program", steps=((10.0, 55.0, 60.0),)) is None
    assert bench.do("reset-program") is None
    bench.unit.programmer.run((), 22.0)
    bench.unit.programmer.hold()
    bench.wait(61.0)
    assert bench.furnace.trouble.get() == "its programme is in state hold and was not told so here"
    assert bench.furnace.local_override.get() == 1


def test_a_setpoint_that_is_ignored_is_an_error(bench: Bench) -> None:
    bench.unit.ignore_setpoint = True
    assert "register 2 was set to 300 and holds 0" in str(bench.do("set-setpoint", degc=300.0))


def test_a_setpoint_that_is_taken_and_not_in_force_is_an_error(bench: Bench) -> None:
    bench.unit.remote_degc = 0.0
    error = bench.do("set-setpoint", degc=300.0)
    assert isinstance(error, ActionFailedError)
    assert "took the setpoint 300 degC, and its working setpoint stands at 0 degC" in str(error)
    bench.wait(180.0)
    assert bench.furnace.trouble.get() == "its working setpoint stands at 0 degC, not 300 degC"


def test_a_stuck_instrument_is_noticed_on_a_ramp(fired: tuple[Bench, ActionStatus]) -> None:
    bench, status = fired
    bench.unit.stuck = True
    error = bench.end_of(status)
    assert "its working setpoint is" in str(error) or "stood still" in str(error)


def test_a_stuck_instrument_is_noticed_while_nothing_should_move(fired: tuple[Bench, ActionStatus]) -> None:
    bench, status = fired
    bench.wait(TO_PEAK_S)
    assert bench.furnace.setpoint_degc.get() == pytest.approx(420.0, abs=0.5)
    stuck_s = bench.clock.now()
    bench.unit.stuck = True
    assert "the time of its programme has stood still" in str(bench.end_of(status))
    assert bench.clock.now() - stuck_s < 600.0


def test_a_stuck_instrument_takes_no_setpoint(bench: Bench) -> None:
    bench.unit.stuck = True
    assert "its working setpoint stands at 0 degC" in str(bench.do("set-setpoint", degc=300.0))


def test_a_locked_instrument_is_told(bench: Bench) -> None:
    bench.unit.locked = True
    error = bench.do("set-setpoint", degc=300.0)
    assert re.search(r"furnace: register (2|1169) did not take [36]00: furnace: modbus", str(error))
    assert "is it locked at the panel" in str(error)


def test_a_programme_that_is_cut_short_is_no_firing(fired: tuple[Bench, ActionStatus]) -> None:
    bench, status = fired
    bench.unit.programmer._begin(len(bench.unit.programmer._segments))
    assert "its programme ended after" in str(bench.end_of(status))


def test_configuration_mode_is_never_written(bench: Bench) -> None:
    written = [what for what in bench.heard() if "instrument mode" in what]
    assert written == []
    assert 199 in bench.furnace.link._never_write


# ---------------------------------------------------------------- holdback


@pytest.mark.parametrize("model", ["eurotherm-3216p"])
def test_a_programme_that_waits_for_its_furnace_is_not_called_stuck(model: str, tmp_path: Path) -> None:
    with put_up(model, tmp_path, {}) as bench:
        bench.unit.programmer.holdback_degc = 5.0
        began_s = bench.clock.now()
        assert bench.do("run-program", steps=((10.0, 420.0, 3600.0), (10.0, 120.0, 0.0))) is None
        assert bench.clock.now() - began_s > TO_PEAK_S + 3600.0 + 1800.0 + 3600.0


# ---------------------------------------------------------------- the network watchdog of the EPC3016


@pytest.fixture
def epc(tmp_path: Path) -> Iterator[Bench]:
    with put_up("eurotherm-epc3016", tmp_path, {}) as bench:
        yield bench


def watchdog(bench: Bench) -> list[int]:
    return bench.unit.read_holding(1169, 4)


def test_the_watchdog_is_off_until_something_is_heated(epc: Bench) -> None:
    assert epc.furnace.identify().endswith("watchdog off")
    epc.wait(120.0)
    assert watchdog(epc) == [0, 0, 0, 0]
    assert epc.do("set-setpoint", degc=100.0) is None
    assert watchdog(epc) == [600, 0, 0, 0]
    assert epc.furnace.identify().endswith("watchdog timeout 600")


def test_a_watchdog_that_is_fed_does_not_bite(epc: Bench) -> None:
    assert epc.do("run-program", steps=FIRING) is None
    assert watchdog(epc) == [600, 0, 0, 0]


def test_a_watchdog_that_expired_takes_the_power_and_is_left_to_a_person(epc: Bench) -> None:
    status = epc.furnace.set("run-program", steps=FIRING)
    epc.wait(900.0)
    silence(epc, 700.0)
    assert "its network watchdog has expired (register 1172)" in str(epc.end_of(status))
    epc.wait(61.0)
    assert "its network watchdog has expired" in epc.furnace.trouble.get()
    assert epc.furnace.output_percent.get() == 0.0
    for verb, arguments in (("run-program", {"steps": FIRING}), ("set-setpoint", {"degc": 100.0})):
        assert epc.do("reset-program") is None
        assert "its network watchdog has expired" in str(epc.do(verb, **arguments))
    assert watchdog(epc)[3] == 1
    epc.unit.write_holding(1172, [0], single=True)
    assert epc.do("set-setpoint", degc=100.0) is None


def test_a_watchdog_that_somebody_switched_off_is_told(epc: Bench) -> None:
    assert epc.do("set-setpoint", degc=100.0) is None
    epc.unit.write_holding(1169, [0], single=True)
    epc.wait(61.0)
    assert epc.furnace.trouble.get() == "its network watchdog is set to (0, 0, 0), (600, 0, 0) was set here"
    assert epc.furnace.local_override.get() == 1


def test_a_lab_may_do_without_a_watchdog(tmp_path: Path) -> None:
    with put_up("eurotherm-epc3016", tmp_path, {"watchdog": 0.0}) as bench:
        assert bench.do("set-setpoint", degc=100.0) is None
        assert watchdog(bench) == [0, 0, 0, 0]


def test_a_watchdog_that_would_bite_between_looks_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(LimitError, match=r"furnace: watchdog is 60 s, 180 s at least, or 0 for none"),
        put_up("eurotherm-epc3016", tmp_path, {"watchdog": 60.0}),
    ):
        pass


def silence(bench: Bench, seconds: float) -> None:
    """Have nobody talk to the furnace for a while."""
    look = bench.furnace.poll
    bench.furnace.poll = lambda: bench.clock.now() + seconds  # type: ignore[method-assign]
    bench.furnace.bus._due_s["furnace"] = bench.clock.now()
    bench.wait(seconds)
    bench.furnace.poll = look  # type: ignore[method-assign]


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate_per": "day"}, "furnace: rate_per is 'day', there are"),
        ({"decimals": 7}, "furnace: decimals is 7, 0 to 3 can be"),
        ({"dwell_count": "long"}, "furnace: dwell_count is 'long'"),
        ({"end_type": 9}, "furnace: end_type is 9"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(
    model: str, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(LimitError, match=said), put_up(model, tmp_path, options):
        pass


@pytest.mark.parametrize("model", ["eurotherm-2416", "eurotherm-epc3016"])
def test_rates_by_the_hour_have_finer_steps(model: str, tmp_path: Path) -> None:
    with put_up(model, tmp_path, {"rate_per": "h"}) as bench:
        assert bench.do("run-program", steps=((4.37, 200.0, 600.0), (4.0, 100.0, 0.0))) is None
        assert bench.furnace.rounding.get() == ""


def test_a_dwell_of_half_a_day_fits_the_epc(epc: Bench) -> None:
    began_s = epc.clock.now()
    assert epc.do("run-program", steps=((10.0, 120.0, 12 * 3600.0), (10.0, 52.0, 0.0))) is None
    assert epc.clock.now() - began_s == pytest.approx(600.0 + 12 * 3600.0 + 400.0, abs=90.0)
