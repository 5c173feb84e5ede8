"""A powder diffractometer with places for holders: what it measures is what lies in the holder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.chemistry import Truth
from sim.plant.draws import draw
from sim.plant.places import Place

FIRST_SLOT, LAST_SLOT = 2, 6
FORMS = ("xrdml", "xy")
"""What a file may be."""
LOADING_S = 15.0
"""From the belt to the beam, and again back to it."""


@dataclass(frozen=True)
class Programme:
    """One scan as it was set up beforehand."""

    from_deg: float
    to_deg: float
    time_s: float


@dataclass(frozen=True)
class Scan:
    """One measurement under way."""

    number: int
    sample_id: str
    slot: int
    programme: Programme
    start_s: float

    @property
    def end_s(self) -> float:
        """When its file appears."""
        return self.start_s + self.programme.time_s + 2 * LOADING_S


@dataclass(frozen=True)
class Measured:
    """What a scan gave."""

    scan: Scan
    counts: NDArray[np.float64]
    """At equal steps from the first to the last angle."""

    def text(self, sample_id: str, form: str) -> str:
        """Write it as a file of one of `FORMS`, of the sample that whoever asked for it named."""
        from sim.diffraction import write_xrdml, write_xy  # brings the form factor tables, which take a while

        scan, programme = self.scan, self.scan.programme
        counting_time_s = programme.time_s / len(self.counts)
        if form == "xy":
            return write_xy(
                sample_id=sample_id,
                from_deg=programme.from_deg,
                to_deg=programme.to_deg,
                counts=self.counts,
                counting_time_s=counting_time_s,
            )
        return write_xrdml(
            None,
            sample_id=sample_id,
            from_deg=programme.from_deg,
            to_deg=programme.to_deg,
            counts=self.counts,
            counting_time_s=counting_time_s,
            start_s=scan.start_s + LOADING_S,
            end_s=scan.end_s - LOADING_S,
        )


class Diffractometer(Place):
    """The places of a belt or a changer, and the goniometer behind it."""

    def __init__(
        self,
        name: str,
        folder: Path,
        step_deg: float,
        truth: Truth,
        seed: int,
        places: range = range(FIRST_SLOT, LAST_SLOT + 1),
    ) -> None:
        super().__init__(name, places[0], places[-1])
        self.results = Results(folder)
        self.scan: Scan | None = None
        self._step_deg = step_deg
        self._truth = truth
        self._seed = seed
        self._count = 0
        self.on_file: Callable[[Path], None] | None = None
        """Told of each file that is left."""

    def blocked(self, number: int) -> str | None:
        """Say why the position is out of reach, if it is."""
        return f"{self.name} measures it" if self.scan and self.scan.slot == number else None

    def start(self, sample_id: str, slot: int, programme: Programme, now_s: float) -> Scan:
        """Take a holder into the beam; nothing may be in it."""
        self._count += 1
        self.scan = Scan(self._count, sample_id, slot, programme, now_s)
        return self.scan

    def measured(self, now_s: float) -> Measured:
        """Put the holder back whose scan has ended, and give what it gave."""
        from sim.diffraction import pattern  # brings the form factor tables, which take a while

        scan = self.scan
        if scan is None:
            raise ValueError(f"{self.name} does not measure")
        holder = self.holds[scan.slot]
        self.live(holder, now_s)
        programme = scan.programme
        counts = pattern(
            holder.powder,
            programme.from_deg,
            programme.to_deg,
            self._step_deg,
            programme.time_s,
            holder.powder.mass_mg,
            draw(self._seed, self.name, "scan", scan.number),
            truth=self._truth,
        )
        self.scan = None
        return Measured(scan, counts)

    def leave(self, name: str, text: str) -> Path | None:
        """Leave a file of results; gives none where it is lost."""
        path = self.results.leave(name, text)
        if path is not None and self.on_file is not None:
            self.on_file(path)
        return path


@dataclass
class Results:
    """The folder of a diffractometer's files, and what may go wrong with the next one."""

    folder: Path
    lose: bool = False
    """For checkers to set: no file comes."""
    cut: bool = False
    """The file ends in the middle, for good."""
    mislabel: str | None = None
    """The sample whose file it is by mistake."""

    def leave(self, name: str, text: str) -> Path | None:
        """Put a file there whole: under another name first, so that nobody reads half of it."""
        if self.lose:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{name}.tmp"
        unfinished.write_text(text[: len(text) // 2] if self.cut else text, encoding="utf-8")
        return unfinished.rename(self.folder / name)

    def begin(self, name: str, text: str) -> None:
        """Put the first half of a file there, as an instrument does that writes while others look."""
        if not self.lose:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text[: len(text) // 2], encoding="utf-8")
