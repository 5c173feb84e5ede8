"""No link writes an actuating frame with leave that was given for another device."""

from __future__ import annotations

from drivers.errors import GrantError
from drivers.gate import Granted


def check_grant(device: str, grant: Granted) -> None:
    """Make sure that leave is for the device behind a link; how old it is, is checked where a clock is.

    Raises:
        GrantError: Where it is for another device.
    """
    meant = grant.command.device
    if meant != device:
        raise GrantError(
            f"{device}: leave to {grant.command.describe()} was given for {meant}, and nothing was written: "
            f"ask the gate for a command to {device}"
        )
