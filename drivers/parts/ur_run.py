"""One program of a robot under way: from what is seen, whether it has ended, and how."""

from __future__ import annotations

from drivers.codecs.ur_dashboard import Running
from drivers.errors import ActionFailedError
from drivers.parts.ur_dashboard import Seen

START_S = 30.0
"""Lab seconds in which a program that was told to play begins, or has not begun."""


class Run:
    """A program that was told to play, and is looked at until it has ended."""

    def __init__(
        self, device: str, program: str, now_s: float, *, least_s: float, allowance_s: float, sure: bool
    ) -> None:
        """Begin to watch.

        Args:
            device: Who errors are about.
            program: What plays.
            now_s: Lab time at which it was told to.
            least_s: What it takes at least.
            allowance_s: What it may take, pauses of ours not counted.
            sure: Whether the robot confirmed that it plays.
        """
        self._device, self._program = device, program
        self._began_s = self._looked_s = now_s
        self._least_s, self._allowance_s = least_s, allowance_s
        self._give_up_s = now_s + allowance_s
        self._sure, self._ran = sure, False

    def has_ended(self, seen: Seen, now_s: float, *, pausing: bool) -> bool:
        """Take in what was seen; give whether the program has come to its end, to be made sure of by `is_confirmed`.

        Raises:
            ActionFailedError: When it was interrupted, or takes too long.
        """
        self._check(seen)
        state = seen.running.state
        self._ran = self._ran or state is not Running.STOPPED
        if state is Running.STOPPED and now_s >= self._soonest_s:
            return True
        if state is Running.PAUSED and pausing:
            self._give_up_s += now_s - self._looked_s
        self._looked_s = now_s
        if now_s >= self._give_up_s:
            raise ActionFailedError(
                f"{self._device}: {self._program} is {state.lower()} and not done after {self._allowance_s:g} s: is a "
                "message on its pendant? That blocks a program without a word"
            )
        return False

    def is_confirmed(self, again: Seen, now_s: float) -> bool:
        """Whether another look says so too, since the wire has no checksum; then it has ended well.

        Raises:
            ActionFailedError: When it has ended badly, or nobody knows.
        """
        self._check(again)
        if again.running.state is not Running.STOPPED:
            return False
        if not self._ran:
            raise self._failed(
                "was told to play and never seen to run: whether it did is unknown, look where the labware is"
            )
        took_s = now_s - self._began_s
        if took_s < self._least_s:
            raise self._failed(
                f"ended after {took_s:g} s, and a move takes {self._least_s:g} s at least: was it stopped at the "
                "pendant?"
            )
        return True

    @property
    def _soonest_s(self) -> float:
        """From when on a program that stands still counts as ended: unless it was seen to run, it may yet begin."""
        if self._ran:
            return self._began_s
        return self._began_s + (self._least_s if self._sure else max(self._least_s, START_S))

    def _check(self, seen: Seen) -> None:
        if seen.hindrance:
            raise self._failed(f"was interrupted, {seen.hindrance}; look where the labware is")
        if seen.running.program not in ("", self._program):
            raise self._failed(f"was replaced by {seen.running.program}: who commands the robot besides us?")

    def _failed(self, how: str) -> ActionFailedError:
        return ActionFailedError(f"{self._device}: {self._program} {how}")
