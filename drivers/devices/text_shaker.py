"""A shaker that a laboratory has built itself, behind lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from drivers.kinds import Kind
from drivers.parts.text_motor import TextMotor
from drivers.spec import DriverSpec, Parts
from drivers.status import ActionStatus


class TextShaker(TextMotor):
    """A shaker that mixes what stands on it."""

    KIND = "text-shaker"
    VERBS: ClassVar[Mapping[str, str]] = {"shake": "shake", "stop": "halt"}

    def shake(self, time_s: float, speed_rpm: float) -> ActionStatus:
        """Shake for a time at a speed.

        Raises:
            LimitError: For more than the limit, or no time at all.
        """
        return self._turn("shake", time_s, speed_rpm)


def _build(parts: Parts) -> TextShaker:
    return TextShaker(**parts.base, link=parts.line(terminator=b"\n"), limits=parts.limits)


DRIVER = DriverSpec(Kind.SHAKER, TextShaker, _build, limits={"speed": "rpm"}, limited={"shake": "speed"})
