"""Bytes in, bytes out: the simulator's own framings and the pseudo-terminals and sockets that carry them.

Nothing here is shared with `drivers`; both are tested against the bytes that the manuals print.
"""
