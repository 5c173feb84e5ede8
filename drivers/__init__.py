"""One instrument's verbs, limits and units, over the wire; the clock and the gate that all of them take.

Imports no ophyd: codecs, links, the clock and the gate serve processes that must stay small.
"""
