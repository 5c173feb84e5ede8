"""Who stands at the other end of a wire: found out anew each time that the wire was opened, or nobody answered."""

from __future__ import annotations

from collections.abc import Callable

from drivers.errors import LinkError, NotThereError, WrongInstrumentError

MEETINGS = 3
"""How often a wire may be opened anew while its instrument says who it is."""


class Recognition:
    """Keeps a device's link from talking to whoever has not been recognized since the wire was opened.

    Links call `before_exchange`, the device says how to recognize its instrument. One thread uses both.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._check: Callable[[], str] | None = None
        self._known: int | None = None
        """The opening of the wire over which the instrument was recognized."""
        self._meeting: set[int] | None = None
        """The openings used by the check that is under way."""

    @property
    def is_meeting(self) -> bool:
        """Whether the instrument is being asked who it is."""
        return self._meeting is not None

    def check_with(self, check: Callable[[], str]) -> None:
        """Say how to recognize the instrument: gives what it says about itself, or raises."""
        self._check = check

    def before_exchange(self, opening: int) -> None:
        """Make sure that the instrument behind this opening of the wire was recognized; does so where it was not.

        Raises:
            WrongInstrumentError: When it is another instrument.
            LinkError: When nobody answers.
        """
        if self._meeting is not None:
            self._meeting.add(opening)
        elif self._check is not None and opening != self._known:
            self.meet()

    def meet(self) -> str:
        """Find out who answers, now; whole over one opening of the wire.

        Raises:
            WrongInstrumentError: When it is another instrument.
            LinkError: When nobody answers, or the wire breaks again and again.
        """
        self._known = None
        for _ in range(MEETINGS):
            said, openings = self._ask()
            if len(openings) <= 1:
                self._known = next(iter(openings), None)
                return said
        raise LinkError(
            f"{self._device}: the connection broke {MEETINGS} times while the instrument was asked who it is: "
            "is another program connected to it?"
        )

    def forget(self) -> None:
        """Have the instrument be recognized again before anything else is asked or told."""
        self._known = None

    def _ask(self) -> tuple[str, set[int]]:
        if self._check is None:
            return "", set()
        meeting = self._meeting = set()
        try:
            return self._check(), meeting
        except NotThereError as error:
            raise WrongInstrumentError(f"{error}: is the address right in the lab file?") from error
        finally:
            self._meeting = None
