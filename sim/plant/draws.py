"""Random numbers that depend on what they are for, and on nothing else.

Each number comes from a generator of its own, keyed by the laboratory's seed, the device, the purpose and a
counter or a time. So what one instrument does never shifts the luck of another, and no number depends on how
often anybody looked.
"""

from __future__ import annotations

import zlib

import numpy as np


def draw(seed: int, device: str, purpose: str, counter: int = 0) -> np.random.Generator:
    """Give the generator for one purpose.

    >>> draw(7, "doser-1", "dose", 3).normal() == draw(7, "doser-1", "dose", 3).normal()
    True
    """
    key = zlib.crc32(f"{device}/{purpose}".encode())
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((abs(seed), key, counter))))
