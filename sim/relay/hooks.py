"""What a simulated instrument offers the relay, under one name for all: attributes, looked up as they are needed.

    sensor_broken     bool    the sensor is broken
    stuck             bool    readings stay what they are, everything is answered
    ignore_setpoint   bool    what is written is acknowledged and dropped
    busy              bool    commands are refused as too many
    other_device      bool    another one of the kind: other serial number, or type where there is no number
    decimals          int     how many decimals values have on the wire
    power_cycle()             what a moment without power leaves
    panel_setpoint(degc)      somebody sets a setpoint at the panel
    expire_watchdog()         the watchdog runs out
    unsolicited()             bytes that this instrument may send unasked

What an instrument does not have does not happen to it. They are used under the lock of its wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from sim.relay.faults import Fault

SWITCHES: Mapping[Fault, str] = {
    Fault.SENSOR_BREAK: "sensor_broken",
    Fault.STUCK: "stuck",
    Fault.SETPOINT_IGNORED: "ignore_setpoint",
    Fault.BUSY: "busy",
    Fault.OTHER_DEVICE: "other_device",
}
"""Faults that last -> what is True meanwhile."""
LASTING = frozenset({*SWITCHES, Fault.WRONG_DECIMALS})
"""Faults that last until they are ended."""
ACTS: Mapping[Fault, str] = {
    Fault.POWER_CYCLE: "power_cycle",
    Fault.LOCAL_CHANGE: "panel_setpoint",
    Fault.WATCHDOG_EXPIRY: "expire_watchdog",
}
"""Faults that happen -> what is called."""
DECIMALS, UNSOLICITED = "decimals", "unsolicited"
PANEL_DEGC = range(20, 200)
"""What somebody may set at a panel."""

End = Callable[[], None]


def has_hook(instrument: object, fault: Fault) -> bool:
    """Whether a fault can be done by the instrument itself."""
    name = SWITCHES.get(fault) or ACTS.get(fault) or {Fault.WRONG_DECIMALS: DECIMALS}.get(fault)
    if name is None or not hasattr(instrument, name):
        return False
    told = getattr(type(instrument), name, None)
    return not isinstance(told, property) or told.fset is not None  # something else may be called so


def states_of(instrument: object) -> frozenset[Fault]:
    """Give the states that an instrument can be in, of which one may hide another."""
    return frozenset(fault for fault in LASTING if has_hook(instrument, fault)) | {Fault.STUCK}


def switch_on(instrument: object, fault: Fault) -> tuple[str, End]:
    """Begin what lasts; give what was done, and how it ends."""
    if fault is Fault.WRONG_DECIMALS:
        return _change_decimals(instrument)
    name = SWITCHES[fault]
    setattr(instrument, name, True)
    return "", lambda: setattr(instrument, name, False)


def do(instrument: object, fault: Fault, random: Random) -> str:
    """Have something happen; give what was done."""
    act = getattr(instrument, ACTS[fault])
    if fault is Fault.LOCAL_CHANGE:
        setpoint_degc = float(random.choice(PANEL_DEGC))
        act(setpoint_degc)
        return f"{setpoint_degc:g} degC"
    act()
    return ""


def unsolicited(instrument: object) -> bytes | None:
    """Give what the instrument may say unasked, where it has something of the kind."""
    say = getattr(instrument, UNSOLICITED, None)
    return bytes(say()) if say is not None else None


def _change_decimals(instrument: object) -> tuple[str, End]:
    before = int(getattr(instrument, DECIMALS))
    changed = 0 if before else 1
    setattr(instrument, DECIMALS, changed)
    return f"{changed} in place of {before}", lambda: setattr(instrument, DECIMALS, before)
