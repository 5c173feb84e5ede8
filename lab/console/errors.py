"""What the lab service refuses, each with the HTTP status that says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lab.errors import LabError


class ConsoleError(LabError):
    """Something the lab service does not do; the text is one sentence."""

    status: ClassVar[int] = 400


class UnknownPersonError(ConsoleError):
    """Nobody knows who asks."""

    status = 401


class NotAllowedError(ConsoleError):
    """Who asks may not do this."""

    status = 403


class NotThereError(ConsoleError):
    """What is asked for does not exist."""

    status = 404


class RefusedError(ConsoleError):
    """The laboratory refuses, for reasons that each are a sentence."""

    status = 409

    def __init__(self, text: str, reasons: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.reasons = tuple(reasons)


class BadRequestError(ConsoleError):
    """A request does not say what it must."""

    status = 422


class TooOftenError(ConsoleError):
    """Somebody tries too often, such as to guess a secret."""

    status = 429

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class UnavailableError(ConsoleError):
    """The lab service cannot do this now."""

    status = 503
