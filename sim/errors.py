"""What can be wrong with a laboratory that is to be simulated, or with a transcript that is to be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class SimError(Exception):
    """Something the simulator cannot serve; the text is one sentence for the operator."""

    instrument: str | None = None
    """Whose address or option it is about, where it is about one."""


@contextmanager
def concerning(instrument: str) -> Iterator[None]:
    """Have whatever cannot be served say which instrument of the laboratory it is about."""
    try:
        yield
    except SimError as error:
        error.instrument = error.instrument or instrument
        raise


class UnknownModelError(SimError):
    """An instrument model that no simulator speaks for."""


class UnknownLotError(SimError):
    """A lot whose formula the simulated chemistry holds nothing about, or a head without a lot."""


class BadAddressError(SimError):
    """An address that this model of instrument cannot be served at."""


class PortInUseError(SimError):
    """A TCP port or a path that somebody else holds."""


class BadOptionError(SimError):
    """An instrument option that is missing or has a value that means nothing."""


class BadTranscriptError(SimError):
    """A recorded wire that cannot be read back."""
