"""One file for each model of instrument: what it answers, and as `MODEL` how one is put up.

The model ``eurotherm-3216p`` is `sim.instruments.eurotherm_3216p`; nothing else lists them.
"""
