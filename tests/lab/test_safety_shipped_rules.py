"""The packaged rules on a furnace that behaves, and on furnaces that do not: simulated physics, the real scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.file import load_interlock_file
from lab.safety.interlocks.file_tests import read_tests
from lab.safety.interlocks.rules import Interlocks
from lab.safety.judging.pace import fitted
from lab.safety.judging.scan import Readings, boot, reset, step
from sim.parts.programmer import PidController, Programmer, Segment
from sim.plant.furnace import Box, BoxFurnace
from tests.lab.conftest import LabFolder

JUMP_S, REAL_S = 60, 10
"""Between scans: under a jump clock, and the furnace's own grid in place of ten times a second."""


class Controller:
    """A furnace controller, as the furnace asks it."""

    def __init__(self) -> None:
        self.loop = PidController()
        self.programmer = Programmer(self.loop)

    def power(self, reading_degc: float, dt_s: float) -> float:
        if self.programmer.moving:
            self.programmer.step(dt_s)
        return self.loop.power(reading_degc, dt_s)

    def at_rest(self, reading_degc: float) -> bool:
        return not self.programmer.moving and self.loop.is_off(reading_degc)


class Welded(Controller):
    """Its relay has welded: full power, whatever it wants and says."""

    wanted = 0.0

    def power(self, reading_degc: float, dt_s: float) -> float:
        self.wanted = super().power(reading_degc, dt_s)
        return 1.0


class Blind(Controller):
    """Its thermocouple has slipped out of the furnace."""

    room_degc = 30.0

    def power(self, reading_degc: float, dt_s: float) -> float:
        return super().power(self.room_degc, dt_s)


@dataclass
class Watched:
    """One furnace under the packaged rules."""

    interlocks: Interlocks
    normal: Mapping[str, Value]

    def first_acts(
        self,
        furnace: BoxFurnace,
        controller: Controller,
        *,
        scan_s: int,
        hours: float,
        at: Mapping[int, Callable[[], object]] | None = None,
        reading: Callable[[], float] | None = None,
    ) -> dict[str, int]:
        """Rule to the second at which it acts first, in so many hours; the controller is read one scan late."""
        interlocks, _ = fitted(self.interlocks, scan_s)
        seen = {**self.normal, "f1.heater": True}
        state, why = reset(interlocks, boot(interlocks, 0.0), Readings(0.0, seen, frozenset()))
        assert not why
        furnace.controller = controller
        acted: dict[str, int] = {}
        for t_s in range(0, int(hours * 3600), scan_s):
            for change in [make for moment, make in (at or {}).items() if t_s - scan_s < moment <= t_s]:
                change()
            furnace.advance(float(t_s))
            seen = {**seen, "f1.over": furnace.over_sensor_degc}
            state, _ = step(interlocks, state, Readings(float(t_s), seen, frozenset()))
            acted |= {name: t_s for name in state.acting if name not in acted}
            output = controller.wanted if isinstance(controller, Welded) else furnace.output
            seen |= {
                "f1.reading": furnace.thermocouple_degc if reading is None else reading(),
                "f1.setpoint": controller.loop.setpoint_degc,
                "f1.output": 100.0 * output,
            }
        return acted


@pytest.fixture
def watched(lab_folder: LabFolder) -> Watched:
    loaded = load_interlock_file(lab_folder.path("interlocks.yaml"))
    return Watched(loaded.interlocks, read_tests(loaded)[-1].values)


def furnace(seed: int = 1, box: Box | None = None) -> BoxFurnace:
    return BoxFurnace("furnace-1", 0.0, seed, box)


def firing(controller: Controller, *segments: Segment) -> Controller:
    controller.programmer.run(segments, 22.0)
    return controller


@pytest.mark.parametrize("scan_s", [JUMP_S, REAL_S])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fastest_firing_that_the_lab_allows_goes_through(watched: Watched, scan_s: int, seed: int) -> None:
    controller = firing(Controller(), Segment(10.0, 1100.0, 3600.0), Segment(10.0, 50.0, 0.0))
    oven = furnace(seed)
    assert watched.first_acts(oven, controller, scan_s=scan_s, hours=9.0) == {}
    assert oven.chamber_degc < 120.0


@pytest.mark.parametrize("scan_s", [JUMP_S, REAL_S])
def test_setpoints_that_a_person_jumps_about_with_go_through(watched: Watched, scan_s: int) -> None:
    controller = Controller()
    jumps = {0: 1100.0, 1800: 100.0, 3600: 800.0, 5400: 400.0, 9000: 0.0}
    at = {t_s: lambda to=to: controller.programmer.set_target(to) for t_s, to in jumps.items()}
    assert watched.first_acts(furnace(), controller, scan_s=scan_s, hours=4.0, at=at) == {}


@pytest.mark.parametrize("scan_s", [JUMP_S, REAL_S])
def test_a_heating_element_that_breaks_is_noticed_in_a_quarter_of_an_hour(watched: Watched, scan_s: int) -> None:
    controller = firing(Controller(), Segment(10.0, 900.0, 3600.0))
    acted = watched.first_acts(furnace(box=Box(power_w=0.0)), controller, scan_s=scan_s, hours=1.0)
    assert acted.keys() == {"F1-NOHEAT"}
    assert acted["F1-NOHEAT"] <= 15 * 60


@pytest.mark.parametrize("scan_s", [JUMP_S, REAL_S])
def test_a_relay_that_has_welded_is_noticed_long_before_the_last_limit(watched: Watched, scan_s: int) -> None:
    controller = firing(Welded(), Segment(5.0, 400.0, 36000.0))
    acted = watched.first_acts(furnace(), controller, scan_s=scan_s, hours=2.0)
    assert acted["F1-STUCK"] <= 15 * 60
    assert acted["F1-OVER"] > 3600
    assert acted.keys() <= {"F1-STUCK", "F1-OVER", "never 3"}  # nobody opens the contactor here


@pytest.mark.parametrize("scan_s", [JUMP_S, REAL_S])
def test_a_thermocouple_that_has_slipped_out_is_noticed_while_the_furnace_is_warm(
    watched: Watched, scan_s: int
) -> None:
    controller = firing(Blind(), Segment(10.0, 900.0, 3600.0))
    acted = watched.first_acts(furnace(), controller, scan_s=scan_s, hours=0.5, reading=lambda: Blind.room_degc)
    assert acted["F1-AGREE"] <= 12 * 60
    assert acted["F1-AGREE"] == min(acted.values())


def test_more_heat_than_the_furnace_has_is_no_heating(watched: Watched) -> None:
    acted = watched.first_acts(furnace(box=Box(power_w=9000.0)), Welded(), scan_s=REAL_S, hours=0.1)
    assert acted["F1-RUNAWAY"] <= 180
