"""A firing on the simulator's wires, taken over by hand in its middle and given back.

In jumping time, so that it takes a second and always goes the same way; people are refused there, so the test
takes that refusal away.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bluesky.utils import FailedStatus

from drivers.gate import DriverError
from lab.config.lab_file import load_lab, packaged_lab
from lab.safety.commands.gateway import HAZARDOUS
from lab.safety.commands.manual import ManualControl, ManualError, OnLeaseLoss
from lab.scheduling.engine import Standing
from lab.startup import Choices, OpenLab, open_lab
from protocols import plans
from protocols.recipe import Cool, Dwell, Firing, Ramp

pytestmark = pytest.mark.system

FIRING = Firing(
    segments=(Ramp(rate_degc_per_min=10, to_degc=422), Dwell(time_s=1800), Cool(rate_degc_per_min=10, to_degc=60))
)
HALF_WAY_S = 1500.0


class Rehearsal(ManualControl):
    """Lets people drive although time jumps: here they never think."""

    def _refuse_jumps(self, what: str) -> None:
        pass


class Shift:
    """A lab with one firing under way and somebody at the console."""

    def __init__(self, lab: OpenLab) -> None:
        self.lab = lab
        self.now_s = 0.0
        self.leases = lab.leases
        self.leases._now = lambda: self.now_s
        self.furnace, self.safety = lab.devices["furnace-1"], lab.devices["safety-1"]
        self.manual = Rehearsal(
            lab.devices,
            lab.gateway,
            lab.leases,
            lab.safety,
            lab.clock,
            lab.journal,
            lab.holds,
            on_lease_loss={"furnace-1": OnLeaseLoss(600.0)},
            now=lambda: self.now_s,
        )
        self.result: Any = None
        self.error: BaseException | None = None
        self.stood: list[tuple[Standing, str]] = []
        self.task = lab.clock.start("sample-001", self._fire)

    def _fire(self) -> None:
        engine = self.lab.engines[0]
        try:
            self.result = engine.run(
                plans.fire(self.furnace, self.safety, firing=FIRING, now=engine.now, md={"sample": "sample-001"}),
                actor="auto",
                holder="sample-001/fire 1",
                devices={"furnace-1"},
                keys={"sample-001"},
                on_standing=lambda standing, why: self.stood.append((standing, why)),
                metadata={},
            )
        except (FailedStatus, DriverError, plans.PlanError) as error:
            self.error = error.__cause__ or error

    def wait(self, seconds: float) -> None:
        """Let lab time pass, with the person renewing the lease."""
        self.lab.clock.sleep_until(self.lab.clock.now() + seconds)

    def drive(self, lease: str, verb: str, value: str | None = None) -> dict[str, Any]:
        return self.manual.execute(self.manual.arm(lease, "furnace-1", verb, value).token, "ana")

    @property
    def contactor_closed(self) -> bool:
        return bool(self.safety.contactor_closed.get() == 1.0)


@pytest.fixture
def shift(tmp_path: Path) -> Iterator[Shift]:
    lab = open_lab(load_lab(packaged_lab()), tmp_path, Choices(seed=3))
    try:
        lab.start()
        yield Shift(lab)
    finally:
        lab.close()


def test_a_firing_that_was_taken_over_and_given_back_ends_as_it_should(shift: Shift) -> None:
    shift.wait(HALF_WAY_S)
    before_degc = shift.furnace.setpoint_degc.get()
    assert shift.manual.take("furnace-1", "ana").notes == ()
    assert shift.furnace.program_status.get() == "hold"
    assert shift.furnace.setpoint_degc.get() == pytest.approx(before_degc, abs=11.0)
    held_degc = shift.furnace.setpoint_degc.get()
    shift.wait(6 * 3600.0)
    assert shift.furnace.setpoint_degc.get() == held_degc
    assert shift.furnace.reading_degc.get() == pytest.approx(held_degc, abs=3.0)
    assert shift.contactor_closed
    (lease,) = {lease.id for lease in shift.leases.all().values()}
    assert shift.manual.release(lease) == ()
    shift.wait(3600.0)
    assert (shift.furnace.program_status.get(), shift.furnace.setpoint_degc.get()) == ("hold", held_degc)
    shift.manual.resume("furnace-1", "bob")
    assert shift.furnace.program_status.get() == "run"
    shift.task.join()
    assert shift.error is None
    assert shift.result == pytest.approx(422.0, abs=5.0)
    assert not shift.contactor_closed


def test_a_programme_that_a_person_ends_fails_the_sample_after_the_device_was_given_back(shift: Shift) -> None:
    shift.wait(HALF_WAY_S)
    lease = shift.manual.take("furnace-1", "ana").lease.id
    assert shift.drive(lease, "set-setpoint", "150 degC")["done"]
    shift.wait(3600.0)
    assert shift.furnace.setpoint_degc.get() == 150.0
    assert shift.contactor_closed
    assert shift.stood == [(Standing.HELD, "furnace-1 is driven by ana")]
    assert shift.error is None
    shift.drive(lease, "set-setpoint", "0 degC")
    assert shift.manual.release(lease) == ()
    shift.wait(60.0)
    assert shift.contactor_closed
    shift.manual.resume("furnace-1", "ana")
    shift.task.join()
    assert "furnace-1: its programme was ended by hand (ana) at" in str(shift.error)
    assert not shift.contactor_closed


def test_interlocks_hold_for_the_person_too(shift: Shift) -> None:
    shift.wait(HALF_WAY_S)
    lease = shift.manual.take("furnace-1", "ana").lease.id
    with pytest.raises(ManualError, match="1300 degC requested, limit 1100 degC"):
        shift.drive(lease, "set-setpoint", "1300 degC")
    mover = shift.manual.take("mover-1", "ana").lease.id
    token = shift.manual.arm(mover, "mover-1", "door", "furnace=furnace-1 open=yes")
    assert any("F1-DOOR" in reason for reason in token.reasons)
    with pytest.raises(ManualError, match="F1-DOOR"):
        shift.manual.execute(token.token, "ana")
    assert shift.lab.gateway.denials[-1].command.verb == "door-open"


def test_a_person_who_is_gone_leaves_the_furnace_as_declared(shift: Shift) -> None:
    shift.wait(HALF_WAY_S)
    shift.manual.take("furnace-1", "ana")
    held_degc = shift.furnace.setpoint_degc.get()
    shift.now_s += 31.0
    shift.manual.look_for_lapsed()
    shift.wait(590.0)
    assert shift.furnace.setpoint_degc.get() == held_degc
    shift.wait(80.0)
    assert shift.furnace.setpoint_degc.get() == 0.0
    assert shift.furnace.program_status.get() == "reset"
    assert not shift.contactor_closed
    shift.manual.resume("furnace-1", "bob")
    shift.task.join()
    assert "ended by hand (lease of ana, which ended)" in str(shift.error)


def test_everything_that_people_did_is_in_the_audit(shift: Shift) -> None:
    shift.wait(HALF_WAY_S)
    lease = shift.manual.take("furnace-1", "ana", "operator").lease.id
    shift.drive(lease, "set-setpoint", "0 degC")
    shift.manual.release(lease)
    shift.manual.resume("furnace-1", "bob", "operator")
    shift.task.join()
    text = (shift.lab.journal.path.parent / "audit.jsonl").read_text(encoding="utf-8")
    for action in ("manual-taken", "manual-executed", "manual-released", "resumed"):
        assert f'"action":"{action}"' in text
    assert '"after":"set-setpoint 0 degC"' in text
    assert {"run-program", "set-setpoint"} <= HAZARDOUS
