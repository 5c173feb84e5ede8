"""Safety: interlocks as data, one gateway for every command, a monitor that acts on what it reads.

A supervisory layer above hard-wired protection; no safety-rated circuit.
"""
