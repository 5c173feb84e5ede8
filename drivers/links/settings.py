"""How a serial line is set: speed, bits, parity, flow control."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LineSettings:
    """What both ends of a serial line must have in common; means nothing over TCP."""

    baudrate: int = 9600
    """Bits per second."""
    data_bits: int = 8
    """5 to 8."""
    parity: str = "N"
    """N, E or O."""
    stop_bits: int = 1
    """1 or 2."""
    software_flow: bool = False
    """XON/XOFF."""

    def describe(self) -> str:
        """The settings as manuals print them.

        >>> LineSettings(parity="E", data_bits=7).describe()
        '9600 baud, 7E1'
        """
        flow = ", XON/XOFF" if self.software_flow else ""
        return f"{self.baudrate} baud, {self.data_bits}{self.parity}{self.stop_bits}{flow}"
