"""A laboratory that is not there: plant physics, chemistry, and servers that answer the same bytes.

`serve` puts a whole laboratory on pseudo-terminals and sockets; `serve_transcript` answers from a recording.
"""

from sim.errors import SimError
from sim.replay import Mismatch, Replay, serve_transcript
from sim.serve import Ports, Simulation, serve, warm_up
from sim.spec import Flow, Instrument, Laboratory, Lot

__all__ = [
    "Flow",
    "Instrument",
    "Laboratory",
    "Lot",
    "Mismatch",
    "Ports",
    "Replay",
    "SimError",
    "Simulation",
    "serve",
    "serve_transcript",
    "warm_up",
]
