"""What a diffractometer may be asked to measure: programmes made beforehand, and names that can be those of files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from drivers.codecs.aeris import check_name, program_s
from drivers.errors import LimitError, about


class Programmes:
    """The measuring programmes of one instrument, and how long each takes."""

    def __init__(self, device: str, seconds: Mapping[str, float]) -> None:
        """Keep the seconds of programmes that a lab file names; of others their names tell."""
        self._device = device
        self._seconds = dict(seconds)

    def check(self, what: str, text: str) -> None:
        """Accept what is to stand in a message and be the name of a file.

        Raises:
            LimitError: Where it cannot.
        """
        with about(self._device):
            check_name(what, text)

    @staticmethod
    def last_deg(program: str) -> float | None:
        """Give the angle that a programme goes to, where its name tells.

        >>> Programmes.last_deg("10-80deg-8min"), Programmes.last_deg("quick")
        (80.0, None)
        """
        found = re.search(r"-(\d+(?:\.\d+)?)deg", program)
        return None if found is None else float(found[1])

    def duration_s(self, program: str) -> float:
        """Give the seconds that a programme takes.

        Raises:
            LimitError: Where nobody said, or it cannot be one's name.
        """
        self.check("programme", program)
        duration_s = self._seconds.get(program, program_s(program) or math.nan)
        if not duration_s > 0:
            known = ", ".join(sorted(self._seconds)) or "none"
            raise LimitError(
                f"{self._device}: how long programme {program!r} takes is not known: add it under programs "
                f"in the lab file (there: {known}), or name it like 10-80deg-8min"
            )
        return duration_s
