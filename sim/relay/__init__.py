"""A relay on every wire that breaks it on purpose: 27 faults, seeded, with a history of what was done.

It sits between a wire and whoever answers there, a simulated instrument or, as a stand-alone proxy, a real one.
"""

from sim.relay.faults import Fault, Injection
from sim.relay.framings import FRAMINGS, framing_named
from sim.relay.proxy import SerialProxy, TcpProxy
from sim.relay.relay import Relay
from sim.relay.schedule import Schedule

__all__ = [
    "FRAMINGS",
    "Fault",
    "Injection",
    "Relay",
    "Schedule",
    "SerialProxy",
    "TcpProxy",
    "framing_named",
]
