"""How often safety is scanned under each clock, and what that makes of times that a file asks for."""

from __future__ import annotations

from dataclasses import replace

from drivers.clock import Clock, JumpClock, ScaledClock
from lab.safety.interlocks.rules import Interlocks, Rule, Signal

SCAN_S = 0.1
"""Wall seconds between scans where time passes by itself."""
JUMP_SCAN_S = 60.0
"""Lab seconds between scans under a jump clock; plans scan at every event that matters besides."""
SCANS_TO_NOTICE = 3
"""Nothing can be noticed reliably in less time than this many scans."""


def scan_interval_s(clock: Clock) -> float:
    """Lab seconds between two scans under this clock."""
    if isinstance(clock, JumpClock):
        return JUMP_SCAN_S
    return SCAN_S * clock.speed if isinstance(clock, ScaledClock) else SCAN_S


def fitted(interlocks: Interlocks, interval_s: float) -> tuple[Interlocks, list[str]]:
    """Make times that are shorter than three scans as long as three scans, and what may go on end one scan earlier.

    An output that may go on without the lab service opens at a scan; at the last one that is not later than declared.

    Returns:
        The rules as they can be kept, and one line for each time that is longer than the file asks for.
    """
    least_s = SCANS_TO_NOTICE * interval_s
    raised: list[str] = []

    def aged(signal: Signal) -> Signal:
        if signal.max_age_s < least_s:
            raised.append(f"greatest age of {signal.name} from {signal.max_age_s:g} s to {least_s:g} s")
        return replace(signal, max_age_s=max(least_s, signal.max_age_s))

    def patient(rule: Rule) -> Rule:
        if 0 < rule.after_s < least_s:
            raised.append(f"patience of {rule.id} from {rule.after_s:g} s to {least_s:g} s")
            return replace(rule, after_s=least_s)
        return rule

    signals = {name: aged(signal) for name, signal in interlocks.signals.items()}
    rules = tuple(patient(rule) for rule in interlocks.rules)
    outputs = {
        name: replace(output, continue_for_s=max(0.0, output.continue_for_s - interval_s))
        for name, output in interlocks.outputs.items()
    }
    never_after_s = max(interlocks.never_after_s, round(least_s, 6))
    return replace(interlocks, signals=signals, outputs=outputs, rules=rules, never_after_s=never_after_s), raised


def watchdog_s(asked_s: float, interval_s: float) -> float:
    """The watchdog time that a module can be given: at least three scans."""
    return max(asked_s, SCANS_TO_NOTICE * interval_s)
