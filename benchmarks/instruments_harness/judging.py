"""Holds what was seen on one link against what the relay did to its wire, once all is over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks.instruments_harness.rig import Measure, Rig
from benchmarks.instruments_harness.tally import Act, Look, Tally, Wrong
from drivers.pace import STEADY_S
from sim.relay import hooks
from sim.relay.faults import Fault, Injection

CHANGING = frozenset(
    {
        Fault.LATE_REPLY,
        Fault.DUPLICATE_REPLY,
        Fault.PARTIAL_FRAME,
        Fault.NOISE,
        Fault.FOREIGN_REPLY,
        Fault.PAYLOAD_CORRUPTION,
        Fault.UNSOLICITED,
        Fault.MULTILINE_CUT,
        Fault.TWO_MASTERS,
    }
)
"""Faults that can have an answer read that is not the true one."""
LYING = frozenset({Fault.STUCK, Fault.INT16_WRAP})
"""Faults during which the instrument itself says what is not true, before anybody can know."""
UPSETTING = frozenset({*LYING, *hooks.ACTS})
"""Faults that undo what an action has done, or let nobody see it."""


def judge(tally: Tally, rig: Rig, history: Sequence[Injection], limit_s: float, seen: Seen) -> None:
    """Add what is known only now to a tally.

    Args:
        tally: Of the link.
        rig: What was tormented.
        history: What the relay did there.
        limit_s: Lab seconds within which a fault must have been seen.
        seen: What was seen there.
    """
    _judge_values(tally, rig, history, limit_s, seen.wrong)
    _judge_acts(tally, history, seen.acts)
    _judge_strangers(tally, history, [*seen.looks, *seen.acts])
    _judge_faults(tally, rig, history, limit_s, seen.looks)


class Seen:
    """What was seen on one link."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.acts: list[Act] = []
        self.wrong: list[Wrong] = []


# ---------------------------------------------------------------- values


def _judge_values(tally: Tally, rig: Rig, history: Sequence[Injection], limit_s: float, found: Sequence[Wrong]) -> None:
    """Count what was wrong, less what the instrument itself said wrongly before anybody could know.

    One that is stuck shows what was true a while ago, which nobody can know where nothing shows it; a little below zero
    is what the relay has it say.
    """
    excused = [
        (one.t_s, min(one.t_s + limit_s, over_s + STEADY_S) if one.fault in rig.shows else over_s + STEADY_S)
        for one, _, over_s in _lasting(history, LYING)
    ]
    for one in found:
        if any(begun_s <= one.t_s <= over_s for begun_s, over_s in excused):
            continue
        said = f"{one.signal} {one.value!r}, true {', '.join(one.true)}, after {_lately(history, one.t_s)}"
        tally.wrong.append(said)
        for why in list(reasons(rig.measures[one.signal], one, history)) or ["residual"]:
            getattr(tally, why).append(said)


def reasons(measure: Measure, one: Wrong, history: Sequence[Injection]) -> Iterator[str]:
    """Give the names of what should have kept a value from being believed; none for what no double reading shows."""
    value = one.value
    if isinstance(value, float):
        if not measure.low <= value <= measure.high:
            yield "outside"
        if one.before is not None:
            before, t_s = one.before
            if abs(value - before) > measure.rate_per_s * max(0.0, one.t_s - t_s) + measure.agreement:
                yield "too_fast"
    changed = sum(i.fault in CHANGING and one.since_s <= i.wall_s <= one.until_s for i in history)
    if one.off > measure.agreement + measure.tolerance and changed < 2:
        yield "unagreed"


# ---------------------------------------------------------------- actions


def _judge_acts(tally: Tally, history: Sequence[Injection], acts: Sequence[Act]) -> None:
    for act in acts:
        if act.done is not None and act.done > 1:
            tally.repeated.append(f"{act.verb} was done {act.done} times")
        upset = any(
            begun_s <= act.ended_s and over_s >= min(act.begun_s, act.rests_on_s)
            for begun_s, over_s in _walls(history, UPSETTING)
        )
        if not act.good or upset:
            continue
        if act.done == 0:
            tally.claimed.append(f"{act.verb} ended well and was not done, after {_lately(history, act.ended_lab_s)}")
        elif act.amiss:
            tally.claimed.append(f"{act.verb} ended well, {act.amiss}, after {_lately(history, act.ended_lab_s)}")


def _judge_strangers(tally: Tally, history: Sequence[Injection], spans: Sequence[Look | Act]) -> None:
    """Count what was done whole while another instrument was there; the wire was opened anew for it."""
    for begun_s, over_s in _walls(history, {Fault.OTHER_DEVICE}):
        for span in spans:
            good = span.good and (span.asked if isinstance(span, Look) else not span.goes_on or bool(span.done))
            if begun_s < span.begun_s and span.ended_s < over_s and good:
                what = span.verb if isinstance(span, Act) else "a look"
                tally.strangers.append(f"{what} was good {span.ended_s - begun_s:.2f} s after the exchange")


# ---------------------------------------------------------------- faults


def _judge_faults(tally: Tally, rig: Rig, history: Sequence[Injection], limit_s: float, looks: Sequence[Look]) -> None:
    """Hold every fault against the looks that followed it."""
    real = [look for look in looks if look.asked or not look.good]
    for injection, _, over_s in _lasting(history, frozenset(Fault)):
        later = [look for look in real if look.ended_lab_s >= injection.t_s]
        if not later:
            continue
        after_s = later[0].ended_lab_s - injection.t_s
        if injection.fault in rig.shows:
            # A look that began before the fault did has nothing to show, and the last one may see its end.
            whole = [look for look in later if look.begun_lab_s > injection.t_s and look.ended_lab_s < over_s]
            if not whole:
                continue
            showing = [look for look in whole if injection.fault in look.shows]
            after_s = (showing[0].ended_lab_s if showing else math.inf) - injection.t_s
        tally.slowest_s = max(tally.slowest_s, after_s)
        if after_s > limit_s:
            tally.unseen.append(f"{injection.fault} {injection.detail} not seen within {limit_s:g} s")


# ---------------------------------------------------------------- histories


def _lasting(history: Sequence[Injection], faults: frozenset[Fault]) -> Iterator[tuple[Injection, float, float]]:
    """Give what was done, with the wall time and the lab time at which it was over."""
    for index, one in enumerate(history):
        if one.over or one.fault not in faults:
            continue
        ends = (later for later in history[index:] if later.over and later.fault is one.fault)
        end = next(ends, None)
        if end is None:
            lasts = one.fault in hooks.LASTING
            yield one, math.inf if lasts else one.wall_s, math.inf if lasts else one.t_s
        else:
            yield one, end.wall_s, end.t_s


def _walls(history: Sequence[Injection], faults: set[Fault] | frozenset[Fault]) -> list[tuple[float, float]]:
    return [(one.wall_s, over_s) for one, over_s, _ in _lasting(history, frozenset(faults))]


def _lately(history: Sequence[Injection], t_s: float) -> str:
    return ", ".join([f"{one.fault} {one.detail}".strip() for one in history if one.t_s <= t_s][-3:])
