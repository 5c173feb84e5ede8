"""What can go wrong at an instrument; every text is one sentence for the operator."""

from collections.abc import Iterator
from contextlib import contextmanager

from drivers.gate import CommandDeniedError, DriverError

__all__ = [
    "ActionFailedError",
    "BadAddressError",
    "BusyError",
    "CodecError",
    "CommandDeniedError",
    "DriverError",
    "GrantError",
    "ImplausibleError",
    "LimitError",
    "LinkError",
    "NotThereError",
    "RefusedError",
    "UnknownDriverError",
    "UnknownVerbError",
    "WrongInstrumentError",
    "about",
]


class BadAddressError(DriverError):
    """An address that leads to no kind of link."""


class LinkError(DriverError):
    """Nobody answers, or the wire broke."""


class CodecError(DriverError):
    """Bytes came, and mean nothing."""


class ImplausibleError(DriverError):
    """A value came that cannot be true, or that is to be read again before it is believed."""


class RefusedError(DriverError):
    """The instrument answered that it will not."""


class NotThereError(RefusedError):
    """The instrument has not what it was asked for, such as a register: another one was asked, or a wrong driver."""


class WrongInstrumentError(DriverError):
    """Somebody answers, and it is not the instrument of the lab file."""


class LimitError(DriverError):
    """More was asked than the device's limits or its range allow."""


class GrantError(DriverError):
    """Leave that was given for another device, or too long ago."""


class BusyError(DriverError):
    """The instrument is at something else."""


class ActionFailedError(DriverError):
    """An action began and did not end well."""


class UnknownVerbError(DriverError):
    """A verb or an argument that the device does not have."""


class UnknownDriverError(DriverError):
    """A driver name, limit or option that does not exist, or is missing."""


@contextmanager
def about(who: str) -> Iterator[None]:
    """Have what a codec refuses, or cannot read, say who it is about.

    >>> with about("mover-1: JOB? 7"):
    ...     raise CodecError("'JOB' tells of no job")
    Traceback (most recent call last):
    drivers.errors.CodecError: mover-1: JOB? 7: 'JOB' tells of no job
    """
    try:
        yield
    except (CodecError, LimitError, RefusedError) as error:
        raise type(error)(f"{who}: {error}") from error
