"""Framings by their names, as receivers and people call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sim.errors import BadOptionError
from sim.relay.aibus import Aibus
from sim.relay.framing import Framing
from sim.relay.modbus import ModbusRtu, ModbusTcp
from sim.relay.text import LettersAndLines, Lines, Telegrams

FRAMINGS: Mapping[str, Callable[[], Framing]] = {
    "modbus-rtu": ModbusRtu,
    "modbus-tcp": ModbusTcp,
    "aibus": Aibus,
    "lines-crlf": lambda: Lines(b"\r\n"),
    "lines-lf": lambda: Lines(b"\n"),
    "lines-cr": lambda: Lines(b"\r"),
    "letters-cr": lambda: LettersAndLines(b"\r"),
    "telegrams": Telegrams,
    "unknown": Framing,
}


def framing_named(name: str) -> Framing:
    """Make a framing.

    Raises:
        BadOptionError: Where there is none of that name.
    """
    if name not in FRAMINGS:
        raise BadOptionError(f"there is no framing {name!r}: there are {', '.join(FRAMINGS)}")
    return FRAMINGS[name]()


def framing_of(receiver: object) -> Framing:
    """Make the framing that a receiver names in its attribute ``framing``; the unknown one where it names none."""
    found = getattr(receiver, "framing", "unknown")
    return found if isinstance(found, Framing) else framing_named(found)
