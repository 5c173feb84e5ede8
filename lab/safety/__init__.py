"""Safety: interlocks as data, one gateway for every command, a monitor that acts on what it reads.

A supervisory layer above hard-wired protection; no safety-rated circuit.

    interlocks   the language, the file, and what checks it: lint, tests, proofs
    judging      one scan as a pure function, its memory, and the monitor that acts on it where time jumps
    supervisor   the process that judges where time passes by itself, and the lab service's side of it
    commands     the gateway for every command, leases, holds, and driving by hand
    alarms, audit, people   what is told, what is written down, and who may do what
"""
