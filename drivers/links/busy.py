"""What is done where a Modbus unit says that it is busy: what is absolute is written again, a little later."""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.errors import DriverError
from drivers.links.modbus import BUSY, BUSY_S, ModbusRefusedError

TRIES = 3


def is_busy(error: DriverError) -> bool:
    """Whether a unit refused for the moment only; with exception 5 it may carry out what it was told all the same."""
    return isinstance(error, ModbusRefusedError) and error.code in BUSY


def while_busy(write: Callable[[], None]) -> None:
    """Write what may be written as often as need be, and again where the unit says that it is busy.

    Raises:
        RefusedError: When it refuses, or goes on being busy.
        LinkError: When no sound reply came.
    """
    for _ in range(TRIES - 1):
        try:
            write()
            return
        except ModbusRefusedError as error:
            if not is_busy(error):
                raise
        time.sleep(BUSY_S)
    write()
