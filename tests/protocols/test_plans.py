from __future__ import annotations

import itertools
import math
import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest
from bluesky.utils import Msg

from drivers.status import ActionStatus
from protocols import plans
from protocols.plans import Dose, PlanError, programme_steps
from protocols.recipe import Cool, Dwell, Firing, Mixing, Ramp

MIXING = Mixing(time_s=600, speed_rpm=300)
FIRING = Firing(
    segments=(Ramp(rate_degc_per_min=5, to_degc=950), Dwell(time_s=3600), Cool(rate_degc_per_min=5, to_degc=60))
)
MD: Mapping[str, Any] = {"sample": "sample-001", "task": "t"}

Step = tuple[str, str, Mapping[str, Any]]


class Value:
    """A signal that somebody set."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self) -> Any:
        return self.value


class Fake:
    """A device that carries out a message of a plan by noting it."""

    parent = None

    def __init__(self, name: str, **signals: Any) -> None:
        self.name = name
        for signal, value in signals.items():
            setattr(self, signal, Value(value))


def run(
    plan: Generator[Msg, Any, Any],
    *,
    fail_at: tuple[str, str] | None = None,
    firing: ActionStatus | None = None,
    on_message: Callable[[Msg], None] = lambda msg: None,
) -> tuple[list[Step], list[Msg], Any, Exception | None]:
    """Step a plan to its end; gives what devices were told, all messages, the result and the failure."""
    told: list[Step] = []
    messages: list[Msg] = []
    failed = False

    def answer(msg: Msg) -> Any:
        nonlocal failed
        messages.append(msg)
        on_message(msg)
        if msg.command != "set":
            return None
        told.append((msg.obj.name, msg.args[0], {k: v for k, v in msg.kwargs.items() if k != "group"}))
        if fail_at == (msg.obj.name, msg.args[0]) and not failed:
            failed = True
            raise RuntimeError("it broke")
        if firing is not None and msg.args[0] == "run-program":
            return firing
        status = ActionStatus(msg.obj.name, msg.args[0])
        status.set_finished()
        return status

    value: Any = None
    error: Exception | None = None
    try:
        while True:
            msg = plan.send(value) if error is None else plan.throw(error)
            value, error = None, None
            try:
                value = answer(msg)
            except RuntimeError as wrong:
                error = wrong
    except StopIteration as end:
        return told, messages, end.value, None
    except (RuntimeError, PlanError) as end_error:
        return told, messages, None, end_error


def commands(messages: list[Msg]) -> list[str]:
    return [msg.command for msg in messages]


@pytest.fixture
def mover() -> Fake:
    return Fake("mover-1", labware="C001")


@pytest.fixture
def furnace() -> Fake:
    return Fake("furnace-1", peak_degc=948.0)


@pytest.fixture
def safety() -> Fake:
    return Fake("safety-1", contactor_closed=1.0)


def doses() -> list[Dose]:
    return [Dose("BaCO3-lot7", 1, 592.0, 1.0), Dose("TiO2-lot3", 2, 240.0, 1.0)]


def dosing(doser: Fake, mover: Fake, wanted: list[Dose]) -> Generator[Msg, Any, Any]:
    return plans.dose(doser, mover, vial="vials/1", pan="doser-1/1", then="mill-1/1", doses=wanted, md=MD)


def test_dosing_swaps_heads_doses_each_lot_and_carries_the_vial_on(mover: Fake) -> None:
    doser = Fake("doser-1", head_lot="BaCO3-lot7", dosed_mg=591.9)
    told, messages, result, error = run(dosing(doser, mover, doses()[:1]))
    assert error is None
    assert result == {"BaCO3-lot7": 591.9}
    assert told == [
        ("doser-1", "open-door", {}),
        ("mover-1", "move", {"from_position": "vials/1", "to_position": "doser-1/1"}),
        ("doser-1", "close-door", {}),
        ("doser-1", "unlock-head", {}),
        ("mover-1", "head", {"doser": "doser-1", "number": 1}),
        ("doser-1", "lock-head", {}),
        ("doser-1", "head-info", {}),
        ("doser-1", "dose", {"mass_mg": 592.0, "tolerance_mg": 1.0, "sample_id": "sample-001"}),
        ("doser-1", "unlock-head", {}),
        ("mover-1", "head", {"doser": "doser-1", "number": 0}),
        ("doser-1", "open-door", {}),
        ("mover-1", "move", {"from_position": "doser-1/1", "to_position": "mill-1/1"}),
        ("doser-1", "close-door", {}),
    ]
    assert commands(messages)[0] == "open_run"
    assert messages[-1].kwargs.get("exit_status") in {None, "success"}


def test_dosing_refuses_a_head_with_another_lot_and_clears_the_pan(mover: Fake) -> None:
    doser = Fake("doser-1", head_lot="BaCO3-lot7", dosed_mg=591.9)
    told, messages, _, error = run(dosing(doser, mover, doses()))
    assert isinstance(error, PlanError)
    assert str(error) == ("doser-1: head 2 holds lot 'BaCO3-lot7', the recipe needs 'TiO2-lot3': put the right head in")
    assert [verb for device, verb, _ in told if verb == "dose"] == ["dose"]
    assert told[-1] == ("doser-1", "close-door", {})
    assert told[-2] == ("mover-1", "move", {"from_position": "doser-1/1", "to_position": "vials/1"})
    assert messages[-1].command == "close_run"
    assert messages[-1].kwargs["exit_status"] == "fail"
    assert "put the right head in" in messages[-1].kwargs["reason"]


def test_clearing_moves_nothing_from_a_place_where_nothing_stands() -> None:
    doser = Fake("doser-1", head_lot="TiO2-lot3", dosed_mg=1.0)
    told, _, _, error = run(dosing(doser, Fake("mover-1", labware=""), doses()))
    assert error is not None
    assert [step[1] for step in told[-3:]] == ["open-door", "look-at", "close-door"]


def test_mixing_pours_into_the_crucible_and_brings_the_vial_home(mover: Fake) -> None:
    told, _, _, error = run(
        plans.mix(mover, mill="mill-1/1", mixing=MIXING, crucible="crucibles/1", vial_home="vials/1", md=MD)
    )
    assert error is None
    assert told == [
        ("mover-1", "mix", {"position": "mill-1/1", "time_s": 600.0, "speed_rpm": 300.0, "method": "ball-mill"}),
        ("mover-1", "pour", {"from_position": "mill-1/1", "to_position": "crucibles/1"}),
        ("mover-1", "move", {"from_position": "mill-1/1", "to_position": "vials/1"}),
    ]


def test_regrinding_takes_the_powder_to_the_mill_and_back(mover: Fake) -> None:
    told, _, _, error = run(
        plans.regrind(mover, mill="mill-1/1", mixing=MIXING, crucible="crucibles/1", vial_home="vials/1", md=MD)
    )
    assert error is None
    assert [verb for _, verb, _ in told] == ["move", "pour", "mix", "pour", "move"]
    assert told[1][2] == {"from_position": "crucibles/1", "to_position": "mill-1/1"}
    assert told[3][2] == {"from_position": "mill-1/1", "to_position": "crucibles/1"}


def test_a_failed_mix_frees_the_mill(mover: Fake) -> None:
    plan = plans.mix(mover, mill="mill-1/1", mixing=MIXING, crucible="crucibles/1", vial_home="vials/1", md=MD)
    told, messages, _, error = run(plan, fail_at=("mover-1", "mix"))
    assert str(error) == "it broke"
    assert told[-1] == ("mover-1", "move", {"from_position": "mill-1/1", "to_position": "vials/1"})
    assert messages[-1].kwargs["reason"] == "it broke"


def test_loading_looks_at_the_door_inputs_before_it_opens_and_closes_after(
    furnace: Fake, mover: Fake, safety: Fake
) -> None:
    told, _, _, error = run(plans.load(furnace, mover, safety, crucible="crucibles/1", slot="furnace-1/1", md=MD))
    assert error is None
    assert told == [
        ("safety-1", "scan", {}),
        ("mover-1", "door", {"furnace": "furnace-1", "open": True}),
        ("mover-1", "move", {"from_position": "crucibles/1", "to_position": "furnace-1/1"}),
        ("mover-1", "door", {"furnace": "furnace-1", "open": False}),
    ]


def test_the_door_is_closed_though_the_move_failed(furnace: Fake, mover: Fake) -> None:
    plan = plans.recover(furnace, mover, None, crucible="crucibles/1", slot="furnace-1/1", md=MD)
    told, _, _, error = run(plan, fail_at=("mover-1", "move"))
    assert str(error) == "it broke"
    assert told[-2][2] == {"from_position": "furnace-1/1", "to_position": "crucibles/1"}
    assert told[-1] == ("mover-1", "door", {"furnace": "furnace-1", "open": False})


def test_firing_closes_the_contactor_runs_the_programme_and_takes_the_power_away(furnace: Fake, safety: Fake) -> None:
    told, messages, result, error = run(plans.fire(furnace, safety, firing=FIRING, now=lambda: 0.0, md=MD))
    assert error is None
    assert result == 948.0
    assert told == [
        ("safety-1", "scan", {}),
        ("safety-1", "close-contactor", {}),
        ("safety-1", "scan", {}),
        ("furnace-1", "run-program", {"steps": ((5.0, 950.0, 3600.0), (5.0, 60.0, 0.0))}),
        ("safety-1", "open-contactor", {}),
        ("furnace-1", "reset-program", {}),
    ]
    assert "sleep" not in commands(messages)


def fire_for(
    furnace: Fake, safety: Fake | None, sleeps: int, **settings: Any
) -> tuple[list[Step], Any, Exception | None]:
    """Fire a programme that ends after some readings; `settings` are the signals after the first one."""
    status = ActionStatus("furnace-1", "run-program")
    waits: list[float] = []

    def tell(msg: Msg) -> None:
        if msg.command == "sleep_until":
            waits.append(msg.args[0])
            for name, value in settings.items():
                setattr(safety, name, Value(value))
            if len(waits) == sleeps:
                status.set_finished()

    plan = plans.fire(furnace, safety, firing=FIRING, now=lambda: 1000.0, md=MD)
    told, _, result, error = run(plan, firing=status, on_message=tell)
    assert waits == [1300.0] * len(waits)
    return told, result, error


def test_firing_waits_absolutely_and_gives_the_peak(furnace: Fake) -> None:
    _, result, error = fire_for(furnace, None, 3)
    assert error is None
    assert result == 948.0


@pytest.mark.parametrize("closed", [0.0, math.nan])
def test_a_firing_that_loses_its_power_is_no_firing(furnace: Fake, safety: Fake, closed: float) -> None:
    told, _, error = fire_for(furnace, safety, 3, contactor_closed=closed)
    assert isinstance(error, PlanError)
    assert "the contactor of furnace-1 is not closed" in str(error)
    assert [step[:2] for step in told[-2:]] == [("safety-1", "open-contactor"), ("furnace-1", "reset-program")]


@pytest.mark.parametrize("closed", [0.0, math.nan])
def test_nothing_is_fired_while_the_contactor_does_not_read_closed(furnace: Fake, safety: Fake, closed: float) -> None:
    safety.contactor_closed = Value(closed)  # type: ignore[attr-defined]
    told, _, _, error = run(plans.fire(furnace, safety, firing=FIRING, now=lambda: 0.0, md=MD))
    assert isinstance(error, PlanError)
    assert "run-program" not in [step[1] for step in told]


@pytest.mark.parametrize("peak", [232.0, math.nan])
def test_a_firing_that_stays_cold_is_a_failure_and_says_how_cold(furnace: Fake, peak: float) -> None:
    furnace.peak_degc = Value(peak)  # type: ignore[attr-defined]
    _, _, error = fire_for(furnace, None, 2)
    assert isinstance(error, PlanError)
    assert f"reached {peak:.0f} degC where 950 degC was asked" in str(error)


@pytest.mark.parametrize("verb", [("safety-1", "close-contactor"), ("furnace-1", "run-program"), ("safety-1", "scan")])
def test_the_power_is_taken_away_however_a_firing_fails(furnace: Fake, safety: Fake, verb: tuple[str, str]) -> None:
    told, messages, _, error = run(plans.fire(furnace, safety, firing=FIRING, now=lambda: 0.0, md=MD), fail_at=verb)
    assert str(error) == "it broke"
    assert [step[:2] for step in told[-2:]] == [("safety-1", "open-contactor"), ("furnace-1", "reset-program")]
    assert messages[-1].kwargs["exit_status"] == "fail"


def test_a_contactor_that_does_not_open_is_told_and_the_programme_is_stopped_all_the_same(
    furnace: Fake, safety: Fake
) -> None:
    told, _, _, error = run(
        plans.fire(furnace, safety, firing=FIRING, now=lambda: 0.0, md=MD), fail_at=("safety-1", "open-contactor")
    )
    assert str(error) == "it broke"
    assert told[-1] == ("furnace-1", "reset-program", {})


def test_cooling_waits_until_a_crucible_can_be_handled(furnace: Fake) -> None:
    told, messages, _, error = run(plans.cool(furnace, None, now=lambda: 0.0, md=MD))
    assert error is None
    assert told == [("furnace-1", "wait-cooled", {"below_degc": 60.0})]
    assert commands(messages).count("save") == 2


class Sensor(Fake):
    """A safety module whose own sensor follows a list, one value per look, the last one for ever."""

    def __init__(self, *readings_degc: float) -> None:
        super().__init__("safety-1")
        self._readings_degc = list(readings_degc)
        self.ai1_degc = self

    def get(self) -> float:
        return self._readings_degc.pop(0) if len(self._readings_degc) > 1 else self._readings_degc[0]


def test_cooling_also_waits_for_the_independent_sensor(furnace: Fake) -> None:
    told, messages, _, error = run(plans.cool(furnace, Sensor(80.0, math.nan, 59.0), now=lambda: 0.0, md=MD))
    assert error is None
    assert [step[1] for step in told] == ["wait-cooled", "scan", "scan", "scan"]
    assert [msg.args[0] for msg in messages if msg.command == "sleep_until"] == [300.0, 300.0]


@pytest.mark.parametrize("reading_degc", [61.0, math.nan])
def test_a_sensor_that_never_comes_down_ends_the_wait_with_both_names(furnace: Fake, reading_degc: float) -> None:
    hours = itertools.count()
    plan = plans.cool(furnace, Sensor(reading_degc), now=lambda: 3600.0 * next(hours), md=MD)
    _, messages, _, error = run(plan)
    assert isinstance(error, PlanError)
    assert "safety-1: reads" in str(error)
    assert "furnace-1 had cooled to 60 degC: compare the two sensors" in str(error)
    assert messages[-1].kwargs["exit_status"] == "fail"


def measuring(diffractometer: Fake, mover: Fake) -> Generator[Msg, Any, Any]:
    return plans.measure(
        diffractometer,
        mover,
        crucible="crucibles/1",
        holder="holders/1",
        slot=2,
        min_mass_mg=20.0,
        programme="10-80deg-8min",
        sample_id="sample-001",
        md=MD,
    )


def test_measuring_mounts_a_little_powder_and_gives_the_file(mover: Fake) -> None:
    told, _, result, error = run(measuring(Fake("xrd-1", result_path="raw/sample-001.xrdml"), mover))
    assert error is None
    assert result == "raw/sample-001.xrdml"
    assert told == [
        ("mover-1", "pour", {"from_position": "crucibles/1", "to_position": "holders/1", "mass_mg": 20.0}),
        ("mover-1", "move", {"from_position": "holders/1", "to_position": "xrd-1/2"}),
        ("xrd-1", "measure", {"sample_id": "sample-001", "slot": 2, "program": "10-80deg-8min"}),
        ("mover-1", "move", {"from_position": "xrd-1/2", "to_position": "holders/1"}),
    ]


def test_a_failed_measurement_frees_the_belt(mover: Fake) -> None:
    told, _, _, error = run(measuring(Fake("xrd-1", result_path=""), mover), fail_at=("xrd-1", "measure"))
    assert str(error) == "it broke"
    assert told[-1] == ("mover-1", "move", {"from_position": "xrd-1/2", "to_position": "holders/1"})


def test_dwells_in_a_row_are_one_step_of_the_programmer() -> None:
    segments = (Ramp(rate_degc_per_min=5, to_degc=900), Dwell(time_s=60), Dwell(time_s=30))
    assert programme_steps(Firing(segments=segments)) == ((5.0, 900.0, 90.0),)
