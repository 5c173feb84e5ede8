"""Which faults can be done to an instrument, and in which ways: that depends on its wire and on its hooks."""

from __future__ import annotations

from sim.addresses import Carrier
from sim.relay.faults import Fault
from sim.relay.framing import Framing
from sim.relay.hooks import has_hook
from sim.relay.modbus import Modbus
from sim.relay.text import Lines

ALWAYS = frozenset(
    {
        Fault.NO_REPLY,
        Fault.LATE_REPLY,
        Fault.DUPLICATE_REPLY,
        Fault.PARTIAL_FRAME,
        Fault.DISCONNECT,
        Fault.UNSOLICITED,
        Fault.TWO_MASTERS,
        Fault.SLOW_DRIP,
    }
)
ON_REGISTERS = frozenset({Fault.STUCK, Fault.INT16_WRAP})
"""What can be done to replies that carry numbers as words."""
CONNECTION_LIMIT = "connection limit"
THEIRS_FIRST = "their reply first"


def possible_faults(framing: Framing, carrier: Carrier, instrument: object) -> tuple[Fault, ...]:
    """Give what can be done, in the order of the numbers; `instrument` is None where it is a real one."""
    found = set(ALWAYS)
    found |= {fault for fault in Fault if has_hook(instrument, fault)}
    if framing.checked:
        found.add(Fault.BAD_CHECKSUM)
    else:
        found.add(Fault.PAYLOAD_CORRUPTION)
    if framing.addressed:
        found.add(Fault.FOREIGN_REPLY)
    found.add(Fault.NOISE if carrier is Carrier.PTY else Fault.DEAD_CONNECTION)
    if isinstance(framing, Modbus):
        found |= {Fault.EXCEPTION, Fault.BUSY, Fault.SETPOINT_IGNORED}
    if framing.has_words:
        found |= ON_REGISTERS
    if isinstance(framing, Lines):
        found |= {Fault.MULTILINE_CUT, Fault.BEGUN_THEN_NOTHING}
    return tuple(fault for fault in Fault if fault in found)


def possible_variants(fault: Fault, framing: Framing, carrier: Carrier, *, real: bool) -> tuple[str, ...]:
    """Give the ways in which a fault can be done; a real instrument is asked nothing that nobody asks."""
    if fault is not Fault.TWO_MASTERS:
        return fault.variants
    if carrier is Carrier.TCP:
        return (CONNECTION_LIMIT,)
    return fault.variants if framing.has_words and not real else tuple(v for v in fault.variants if v != THEIRS_FIRST)
