"""One file for each simulated instrument: what it makes of each command on its wire.

An instrument is a thin table between a framing of `sim.wire` and the physics of `sim.plant`.
"""
