"""One safety scan as a pure function: (state, readings) to (state, actions).

    trip        fires while its condition is true or unknown; latches, opens its output, ends by a reset only
    interlock   opens its output while its condition is not true; lets go by itself
    hold        makes recipes on its device wait while its condition is true or unknown
    alarm       tells a person while its condition is true or unknown
    never       watched like a trip, once its outputs have had three scans to open

Boot is tripped. A rule that reads signals of the lab service applies while that lives; when it is gone, each
output does what its `on_lab_loss` declares instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lab.safety.interlocks.expressions import Expression, Rise, Value
from lab.safety.interlocks.rules import Interlocks, Rule

BOOT = "start-up"
"""The first cause of every boot: ability comes back by a reset only."""
FORGET = 2.0
"""Windows after which a reading is no beginning of a rise any more, where all since was unknown."""
STOP_BY = "STOP by "
"""How the cause of a STOP begins; who pressed it follows."""
HISTORY_POINTS = 64
"""Readings kept for each signal whose rise somebody asks for, spread over the longest window."""


class ActionKind(StrEnum):
    """What a scan has somebody do."""

    OPEN = "open"
    """Open an output."""
    TOGGLE = "toggle"
    """Tell a module's watchdog that a complete scan of it was judged."""


@dataclass(frozen=True)
class Action:
    """One thing to do now."""

    kind: ActionKind
    target: str
    """An output's name to open, a module's name to toggle."""


@dataclass(frozen=True)
class Readings:
    """What one scan found."""

    now_s: float
    values: Mapping[str, Value]
    """Every signal and output as it can be believed; None, or missing, is unknown."""
    complete: frozenset[str]
    """Modules that answered every question of this scan."""
    lab_alive: bool = True
    lab_heard_s: float | None = None
    """Lab time of the lab service's last sign of life, where it has given any: from then on it counts as gone."""
    lab_left: bool = False
    """Whether the lab service is gone because it said so; of no account for what opens."""
    running: frozenset[str] = frozenset()
    """Outputs whose controller runs a programme, as the lab service said last."""
    commanded: Mapping[str, Value] = field(default_factory=dict)
    """What the module has been told for each output, where it can be read back: an output may be open only
    because the emergency-stop loop is, and would close with it."""
    bypassed: frozenset[str] = frozenset()
    """Rules that a bypass suspends now."""


@dataclass(frozen=True)
class Latch:
    """A cause that is latched until a reset."""

    cause: str
    scan: int
    at_s: float
    """Lab time."""
    targets: tuple[str, ...]
    """The outputs that it holds open."""


@dataclass(frozen=True)
class SafetyState:
    """What is latched, what is held back now, and what the next scan must remember."""

    scan: int = 0
    tripped: tuple[Latch, ...] = ()
    """In the order in which they came: the first is the first-out."""
    interlocked: frozenset[str] = frozenset()
    """Outputs that an interlock holds open."""
    acting: frozenset[str] = frozenset()
    """Ids of all rules that act now."""
    held: frozenset[str] = frozenset()
    """Devices whose recipes wait."""
    since: Mapping[str, float] = field(default_factory=dict)
    """Rule id to the lab time since which its condition has gone on."""
    history: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """Signal to its (lab time, reading) of the longest window that a rise looks at."""
    lab_lost_s: float | None = None
    """Lab time since which the lab service is gone."""
    lab_left: bool = False
    """Whether it is gone because it said so, and was not lost."""
    continuing: Mapping[str, float] = field(default_factory=dict)
    """Without the lab service: outputs that may stay closed, and until when."""


def boot(interlocks: Interlocks, now_s: float, kept: Iterable[Latch] = ()) -> SafetyState:
    """The state in which every supervisor begins: tripped, by what had tripped before and by its own start."""
    everything = tuple(interlocks.outputs)
    before = tuple(latch for latch in kept if latch.cause != BOOT)
    return SafetyState(tripped=(*before, Latch(BOOT, 0, now_s, everything)))


def step(interlocks: Interlocks, state: SafetyState, readings: Readings) -> tuple[SafetyState, tuple[Action, ...]]:
    """Judge one scan; pure."""
    scan, now_s = state.scan + 1, readings.now_s
    history = _remember(interlocks, state.history, readings)
    values = with_rises(interlocks, readings.values, history)
    firing = {name: targets for name, targets, _ in _firing(interlocks, readings, values)}
    since = {name: state.since.get(name, now_s) for name in firing}
    acting = {name for name in firing if now_s - since[name] >= _patience_s(interlocks, name)}
    tripped = (*state.tripped, *_new_latches(interlocks, state, firing, acting, scan, now_s))
    interlocked = frozenset(r.target for r in interlocks.of_kind("interlock") if r.id in acting)
    lab_lost_s, continuing = _without_lab(interlocks, state, readings)
    after = SafetyState(
        scan=scan,
        tripped=tripped,
        interlocked=interlocked,
        acting=frozenset(acting),
        held=frozenset(r.target for r in interlocks.of_kind("hold") if r.id in acting),
        since=since,
        history=history,
        lab_lost_s=lab_lost_s,
        # One that was lost first, or another one since, has not left in good order.
        lab_left=readings.lab_left and lab_lost_s is not None and (state.lab_left or state.lab_lost_s is None),
        continuing=continuing,
    )
    opened = (Action(ActionKind.OPEN, name) for name in must_open(interlocks, after, now_s) if _is_on(name, readings))
    toggled = (Action(ActionKind.TOGGLE, module) for module in sorted(readings.complete))
    return after, (*opened, *toggled)


def must_open(interlocks: Interlocks, state: SafetyState, now_s: float) -> list[str]:
    """The outputs that may not be closed, in the order of the file."""
    latched = {target for latch in state.tripped for target in latch.targets}
    lost = (
        {name for name in interlocks.outputs if now_s >= state.continuing.get(name, now_s)}
        if state.lab_lost_s is not None
        else set()
    )
    return [name for name in interlocks.outputs if name in latched | state.interlocked | lost]


def reset(
    interlocks: Interlocks,
    state: SafetyState,
    readings: Readings,
    seen: Collection[tuple[str, float]] | None = None,
) -> tuple[SafetyState, tuple[str, ...]]:
    """A person's reset: clears every latch whose cause is gone and that the person has seen.

    Args:
        interlocks: The rules.
        state: What is latched.
        readings: What is so now.
        seen: Cause and lab time of every latch that may be cleared; None for all.

    Returns:
        The new state, and why the other latches stay, one sentence each.
    """
    values = with_rises(interlocks, readings.values, state.history)
    why = {name: reason for name, _, reason in _firing(interlocks, readings, values)}
    reasons = {
        latch: f"{latch.cause}: {why[latch.cause]}"
        if latch.cause in why
        else f"{latch.cause} came after the reset was asked for: look at it, then reset again"
        for latch in state.tripped
        if latch.cause in why or (seen is not None and (latch.cause, latch.at_s) not in seen)
    }
    return replace(state, tripped=tuple(reasons)), tuple(reasons.values())


def with_rises(
    interlocks: Interlocks, values: Mapping[str, Value], history: Mapping[str, tuple[tuple[float, float], ...]]
) -> dict[str, Value]:
    """The values, and how much each signal of a rise has changed within its window."""
    return {**values, **{rise.key: _rise(rise, values, history) for rise in interlocks.rises}}


def never_name(i: int) -> str:
    """How the i-th ``never`` statement is called, counted from 0."""
    return f"never {i + 1}"


# ---------------------------------------------------------------- which rules fire


def _firing(
    interlocks: Interlocks, readings: Readings, values: Mapping[str, Value]
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Every rule whose condition goes on: its name, the outputs that it opens, and why in a sentence."""
    for rule in interlocks.rules:
        if rule.kind == "permissive" or rule.id in readings.bypassed or _asleep(interlocks, rule.when, readings):
            continue
        truth = rule.when.evaluate(values)
        if (truth is not True) if rule.kind == "interlock" else (truth is not False):
            yield rule.id, _targets(rule), _reason(rule, truth)
    for i, never in enumerate(interlocks.never):
        if not _asleep(interlocks, never, readings) and never.evaluate(values) is not False:
            named = tuple(name for name in interlocks.outputs if name in never.signals)
            yield never_name(i), named or tuple(interlocks.outputs), "what must never be is so, or cannot be excluded"


def _asleep(interlocks: Interlocks, condition: Expression, readings: Readings) -> bool:
    """Whether a condition reads the lab service, which is gone: then `on_lab_loss` applies in its place."""
    if readings.lab_alive:
        return False
    return any(not signal.own for name in condition.signals if (signal := interlocks.signals.get(name)) is not None)


def _targets(rule: Rule) -> tuple[str, ...]:
    return (rule.target,) if rule.kind in ("trip", "interlock") else ()


def _reason(rule: Rule, truth: bool | None) -> str:
    state = "its condition cannot be known" if truth is None else "its condition goes on"
    return f"{state}: {rule.guidance}"


def _patience_s(interlocks: Interlocks, name: str) -> float:
    rule = interlocks.rule(name)
    return interlocks.never_after_s if rule is None else rule.after_s


def _new_latches(
    interlocks: Interlocks,
    state: SafetyState,
    firing: Mapping[str, tuple[str, ...]],
    acting: set[str],
    scan: int,
    now_s: float,
) -> Iterator[Latch]:
    latched = {latch.cause for latch in state.tripped}
    for name, targets in firing.items():
        rule = interlocks.rule(name)
        if name in acting and name not in latched and (rule is None or rule.kind == "trip"):
            yield Latch(name, scan, now_s, targets)


# ---------------------------------------------------------------- what the lab service's end means


def _without_lab(
    interlocks: Interlocks, state: SafetyState, readings: Readings
) -> tuple[float | None, Mapping[str, float]]:
    if readings.lab_alive:
        return None, {}
    if state.lab_lost_s is not None:
        return state.lab_lost_s, state.continuing
    heard_s = readings.now_s if readings.lab_heard_s is None else min(readings.lab_heard_s, readings.now_s)
    return heard_s, {
        name: heard_s + output.continue_for_s
        for name, output in interlocks.outputs.items()
        if name in readings.running and output.continue_for_s > 0
    }


def _is_on(name: str, readings: Readings) -> bool:
    """Whether an output is closed, or told to be, or neither can be excluded."""
    value = readings.values.get(name)
    return value is not False or readings.commanded.get(name, value) is not False


# ---------------------------------------------------------------- rises


def _remember(
    interlocks: Interlocks, history: Mapping[str, tuple[tuple[float, float], ...]], readings: Readings
) -> dict[str, tuple[tuple[float, float], ...]]:
    """Add this scan's readings; what was seen before a gap counts on, or a drop-out would hide a rise."""
    longest: dict[str, float] = {}
    for rise in interlocks.rises:
        longest[rise.signal] = max(rise.window_s, longest.get(rise.signal, 0.0))
    kept = {}
    for name, window_s in longest.items():
        value, seen = readings.values.get(name), history.get(name, ())
        if value is None:
            kept[name] = tuple(point for point in seen if point[0] >= readings.now_s - FORGET * window_s)
        else:
            kept[name] = _appended(seen, (readings.now_s, float(value)), window_s)
    return kept


def _appended(
    points: tuple[tuple[float, float], ...], newest: tuple[float, float], window_s: float
) -> tuple[tuple[float, float], ...]:
    """The points of the window, not closer to each other than it takes to cover it."""
    if len(points) > 1 and newest[0] - points[-2][0] < window_s / HISTORY_POINTS:
        points = points[:-1]
    first = 0
    # One point from before the window is kept: a rise is over the whole of it.
    while len(points) - first > 1 and points[first + 1][0] <= newest[0] - window_s:
        first += 1
    return (*points[first:], newest)


def _rise(
    rise: Rise, values: Mapping[str, Value], history: Mapping[str, tuple[tuple[float, float], ...]]
) -> float | None:
    """Newest minus oldest reading of the window; over as much of it as has been seen, where it began later."""
    points = history.get(rise.signal)
    if not points or values.get(rise.signal) is None:
        return None
    newest_s, newest = points[-1]
    oldest = points[0][1]
    for at_s, value in points:
        if at_s > newest_s - rise.window_s:
            break
        oldest = value
    return newest - oldest
