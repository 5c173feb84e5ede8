"""The Bluesky plans that carry out a recipe, one per task.

Plans know verbs of devices (``device.set("move", ...)``), never a wire and never a driver's class: devices come
as arguments. Each plan is one Bluesky run, waits absolutely (``sleep_until``), and leaves the instruments in a
safe state however it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.utils import Msg

from protocols.recipe import SAFE_TO_HANDLE_DEGC, Dwell, Firing, Mixing

Plan = Generator[Msg, Any, Any]
Metadata = Mapping[str, Any]

LAGGING_SENSOR_S = 6 * 3600.0
"""How long the independent sensor of a furnace may stay above the controller's on cooling."""

PEAK_TOLERANCE_DEGC = 25.0
"""How far below its highest setpoint a firing may stay and still count as the firing that was asked for."""

READING_INTERVAL_S = 300.0
"""How often a firing's temperature enters the record; the driver itself polls as often as it must."""


class PlanError(Exception):
    """A task that cannot go on; one sentence."""


@dataclass(frozen=True)
class Dose:
    """One precursor that goes into the vial."""

    lot: str
    head: int
    mass_mg: float
    tolerance_mg: float


def sleep_until(t_s: float) -> Plan:
    """Wait until the lab time `t_s`; a pause does not make it longer."""
    return (yield Msg("sleep_until", None, t_s))


def dose(doser: Any, mover: Any, *, vial: str, pan: str, then: str, doses: Sequence[Dose], md: Metadata) -> Plan:
    """Weigh precursors into one vial and take it on to `then`.

    Returns:
        Dosed mass in mg per lot, as the balance read it.

    Raises:
        PlanError: Where a head holds another lot than the recipe asks for.
    """

    def body() -> Plan:
        dosed = {}
        yield from _through_the_shield(doser, mover, from_position=vial, to_position=pan)
        for item in doses:
            yield from _change_head(doser, mover, item.head)
            yield from _act(doser, "head-info")
            held = doser.head_lot.get()
            if held != item.lot:
                raise PlanError(
                    f"{doser.name}: head {item.head} holds lot {held!r}, the recipe needs {item.lot!r}: "
                    "put the right head in"
                )
            amount = {"mass_mg": item.mass_mg, "tolerance_mg": item.tolerance_mg}
            yield from _act(doser, "dose", **amount, sample_id=str(md["sample"]))
            yield from _event([doser], "doses")
            dosed[item.lot] = float(doser.dosed_mg.get())
        yield from _change_head(doser, mover, 0)
        yield from _through_the_shield(doser, mover, from_position=pan, to_position=then)
        return dosed

    def clear() -> Plan:
        yield from _act(doser, "open-door")
        yield from _bring_home(mover, pan, vial)
        yield from _act(doser, "close-door")

    return (yield from _run(body(), clear, md))


def mix(mover: Any, *, mill: str, mixing: Mixing, crucible: str, vial_home: str, md: Metadata) -> Plan:
    """Mix what is in the vial on the mill and pour it into the crucible; the vial goes home."""

    def body() -> Plan:
        yield from _mix_at(mover, mill, mixing)
        yield from _act(mover, "pour", from_position=mill, to_position=crucible)
        yield from _act(mover, "move", from_position=mill, to_position=vial_home)

    return (yield from _run(body(), lambda: _bring_home(mover, mill, vial_home), md))


def regrind(mover: Any, *, mill: str, mixing: Mixing, crucible: str, vial_home: str, md: Metadata) -> Plan:
    """Take the powder out of its crucible, grind it on the mill and put it back."""

    def body() -> Plan:
        yield from _act(mover, "move", from_position=vial_home, to_position=mill)
        yield from _act(mover, "pour", from_position=crucible, to_position=mill)
        yield from _mix_at(mover, mill, mixing)
        yield from _act(mover, "pour", from_position=mill, to_position=crucible)
        yield from _act(mover, "move", from_position=mill, to_position=vial_home)

    return (yield from _run(body(), lambda: _bring_home(mover, mill, vial_home), md))


def load(furnace: Any, mover: Any, safety: Any | None, *, crucible: str, slot: str, md: Metadata) -> Plan:
    """Put a crucible into a furnace; the door is closed again however this ends."""
    return (yield from _through_the_door(furnace, mover, safety, from_position=crucible, to_position=slot, md=md))


def recover(furnace: Any, mover: Any, safety: Any | None, *, crucible: str, slot: str, md: Metadata) -> Plan:
    """Take a crucible out of a furnace that has cooled; the door is closed again however this ends."""
    return (yield from _through_the_door(furnace, mover, safety, from_position=slot, to_position=crucible, md=md))


def fire(furnace: Any, safety: Any | None, *, firing: Firing, now: Callable[[], float], md: Metadata) -> Plan:
    """Run one thermal programme; the furnace is without power when this ends, however it does.

    Returns:
        The highest reading in degC.
    """

    def heat() -> Plan:
        yield from _refresh(safety)
        if safety is not None:
            yield from _act(safety, "close-contactor")
            yield from _refresh(safety)
        _require_power(furnace, safety)
        status = yield from bps.abs_set(furnace, "run-program", steps=programme_steps(firing), group="firing")
        while not status.done:
            yield from _event([furnace], "furnace")
            yield from sleep_until(now() + READING_INTERVAL_S)
            _require_power(furnace, safety)
        yield from bps.wait("firing")
        return _peak(furnace, firing)

    def body() -> Plan:
        peak_degc = yield from bpp.finalize_wrapper(heat(), lambda: _stop_heating(furnace, safety))
        return peak_degc

    return (yield from _run(body(), _nothing, md))


def cool(furnace: Any, safety: Any | None, *, now: Callable[[], float], md: Metadata) -> Plan:
    """Wait until what is in the furnace can be handled, by the controller and by the independent sensor."""

    def body() -> Plan:
        yield from _event([furnace], "furnace")
        yield from _act(furnace, "wait-cooled", below_degc=SAFE_TO_HANDLE_DEGC)
        yield from _refresh(safety)
        deadline_s = now() + LAGGING_SENSOR_S
        # A sensor that cannot be read is not cool: the comparison is False for NaN.
        while safety is not None and not safety.ai1_degc.get() < SAFE_TO_HANDLE_DEGC:
            if now() >= deadline_s:
                raise PlanError(
                    f"{safety.name}: reads {safety.ai1_degc.get():.0f} degC, {LAGGING_SENSOR_S / 3600:g} h after "
                    f"{furnace.name} had cooled to {SAFE_TO_HANDLE_DEGC:g} degC: compare the two sensors"
                )
            yield from sleep_until(now() + READING_INTERVAL_S)
            yield from _refresh(safety)
        yield from _event([furnace], "furnace")

    return (yield from _run(body(), _nothing, md))


def measure(
    diffractometer: Any,
    mover: Any,
    *,
    crucible: str,
    holder: str,
    slot: int,
    min_mass_mg: float,
    programme: str,
    sample_id: str,
    md: Metadata,
) -> Plan:
    """Mount some of the powder and record its diffraction pattern.

    Returns:
        Path of the file that the diffractometer wrote.
    """
    stage = f"{diffractometer.name}/{slot}"

    def body() -> Plan:
        yield from _act(mover, "pour", from_position=crucible, to_position=holder, mass_mg=min_mass_mg)
        yield from _act(mover, "move", from_position=holder, to_position=stage)
        yield from _act(diffractometer, "measure", sample_id=sample_id, slot=slot, program=programme)
        yield from _event([diffractometer], "pattern")
        yield from _act(mover, "move", from_position=stage, to_position=holder)
        return str(diffractometer.result_path.get())

    return (yield from _run(body(), lambda: _bring_home(mover, stage, holder), md))


def programme_steps(firing: Firing) -> tuple[tuple[float, float, float], ...]:
    """A firing as (rate degC/min, target degC, dwell s) steps, which is how programmers count.

    >>> from protocols.recipe import Ramp, Cool
    >>> up, down = Ramp(rate_degc_per_min=5, to_degc=900), Cool(rate_degc_per_min=3, to_degc=50)
    >>> programme_steps(Firing(segments=(up, Dwell(time_s=60), down)))
    ((5.0, 900.0, 60.0), (3.0, 50.0, 0.0))
    """
    steps: list[tuple[float, float, float]] = []
    for segment in firing.segments:
        if isinstance(segment, Dwell):
            rate, target, dwell_s = steps[-1]
            steps[-1] = (rate, target, dwell_s + segment.time_s)
        else:
            steps.append((segment.rate_degc_per_min, segment.to_degc, 0.0))
    return tuple(steps)


def _act(device: Any, verb: str, **arguments: Any) -> Plan:
    """Do one thing and wait until it is done."""
    return (yield from bps.abs_set(device, verb, wait=True, group=f"{device.name} {verb}", **arguments))


def _event(devices: Sequence[Any], stream: str) -> Plan:
    """Record what the devices read now."""
    yield from bps.create(stream)
    for device in devices:
        yield from bps.read(device)
    yield from bps.save()


def _mix_at(mover: Any, mill: str, mixing: Mixing) -> Plan:
    arguments = {"time_s": mixing.time_s, "speed_rpm": mixing.speed_rpm, "method": mixing.method.value}
    return (yield from _act(mover, "mix", position=mill, **arguments))


def _refresh(safety: Any | None) -> Plan:
    """Read the safety inputs now, so that the interlocks decide on what is true at this moment."""
    if safety is not None:
        yield from _act(safety, "scan")


def _run(body: Plan, clear: Callable[[], Plan], md: Metadata) -> Plan:
    """One Bluesky run; where it fails, `clear` frees the station before the failure goes on."""

    def fail(error: Exception) -> Plan:
        yield from clear()
        yield from bps.close_run(exit_status="fail", reason=str(error.__cause__ or error))

    # Not Bluesky's run wrapper: that one gives the run's identifier in place of what the plan returns.
    yield from bps.open_run(dict(md))
    return (yield from bpp.contingency_wrapper(body, except_plan=fail, else_plan=bps.close_run, auto_raise=True))


def _nothing() -> Plan:
    yield from ()


def _bring_home(mover: Any, position: str, home: str) -> Plan:
    """Carry what stands at a position to its home, where anything stands there."""
    yield from _act(mover, "look-at", position=position)
    if mover.labware.get():
        yield from _act(mover, "move", from_position=position, to_position=home)


def _through_the_shield(doser: Any, mover: Any, *, from_position: str, to_position: str) -> Plan:
    yield from _act(doser, "open-door")
    yield from _act(mover, "move", from_position=from_position, to_position=to_position)
    yield from _act(doser, "close-door")


def _change_head(doser: Any, mover: Any, number: int) -> Plan:
    yield from _act(doser, "unlock-head")
    yield from _act(mover, "head", doser=doser.name, number=number)
    if number:
        yield from _act(doser, "lock-head")


def _through_the_door(
    furnace: Any,
    mover: Any,
    safety: Any | None,
    *,
    from_position: str,
    to_position: str,
    md: Metadata,
) -> Plan:
    def body() -> Plan:
        yield from _refresh(safety)
        yield from _act(mover, "door", furnace=furnace.name, open=True)
        yield from bpp.finalize_wrapper(
            _act(mover, "move", from_position=from_position, to_position=to_position),
            lambda: _act(mover, "door", furnace=furnace.name, open=False),
        )

    return (yield from _run(body(), _nothing, md))


def _require_power(furnace: Any, safety: Any | None) -> None:
    """Raise where a firing has lost its heater: what comes out would not be what the recipe says."""
    # Unknown (NaN) is not closed.
    if safety is not None and safety.contactor_closed.get() != 1.0:
        raise PlanError(
            f"{safety.name}: the contactor of {furnace.name} is not closed: look for a trip or an open door"
        )


def _peak(furnace: Any, firing: Firing) -> float:
    """The highest reading of the firing, in degC; raises where it is far from what was asked."""
    reached_degc = float(furnace.peak_degc.get())
    if not reached_degc >= firing.peak_degc - PEAK_TOLERANCE_DEGC:
        raise PlanError(
            f"{furnace.name}: reached {reached_degc:.0f} degC where {firing.peak_degc:g} degC was asked: "
            "look at its heater and its power"
        )
    return reached_degc


def _stop_heating(furnace: Any, safety: Any | None) -> Plan:
    """Leave the furnace cold: contactor first, then the programme, also where the first does not answer."""
    opening = _nothing() if safety is None else _act(safety, "open-contactor")
    yield from bpp.finalize_wrapper(opening, lambda: _act(furnace, "reset-program"))
