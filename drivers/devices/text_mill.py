"""A mill that a laboratory has built itself, behind lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from drivers.kinds import Kind
from drivers.parts.text_motor import TextMotor
from drivers.spec import DriverSpec, Parts
from drivers.status import ActionStatus


class TextMill(TextMotor):
    """A mill that grinds what stands in it."""

    KIND = "text-mill"
    VERBS: ClassVar[Mapping[str, str]] = {"mill": "mill", "stop": "halt"}

    def mill(self, time_s: float, speed_rpm: float) -> ActionStatus:
        """Grind for a time at a speed.

        Raises:
            LimitError: For more than the limit, or no time at all.
        """
        return self._turn("mill", time_s, speed_rpm)


def _build(parts: Parts) -> TextMill:
    return TextMill(**parts.base, link=parts.line(terminator=b"\n"), limits=parts.limits)


DRIVER = DriverSpec(Kind.MILL, TextMill, _build, limits={"speed": "rpm"}, limited={"mill": "speed"})
