"""A powder diffractometer with a belt of holders: what it measures is what lies in the holder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sim.chemistry import Truth
from sim.plant.draws import draw
from sim.plant.places import Labware, Place

FIRST_SLOT, LAST_SLOT = 2, 6
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


class Diffractometer(Place):
    """The belt, slots 2 to 6, and the goniometer behind it."""

    def __init__(self, name: str, folder: Path, step_deg: float, truth: Truth, seed: int) -> None:
        super().__init__(name, FIRST_SLOT, LAST_SLOT)
        self.scan: Scan | None = None
        self._folder = folder
        self._step_deg = step_deg
        self._truth = truth
        self._seed = seed
        self._count = 0

    def blocked(self, number: int) -> str | None:
        """Say why the position is out of reach, if it is."""
        return f"{self.name} measures it" if self.scan and self.scan.slot == number else None

    def start(self, sample_id: str, slot: int, programme: Programme, now_s: float) -> Scan:
        """Take a holder into the beam; nothing may be in it."""
        self._count += 1
        self.scan = Scan(self._count, sample_id, slot, programme, now_s)
        return self.scan

    def finish(self, now_s: float) -> Path:
        """Write the file of the scan that has ended, and put the holder back."""
        scan = self.scan
        if scan is None:
            raise ValueError(f"{self.name} does not measure")
        holder = self.holds[scan.slot]
        self.live(holder, now_s)
        path = self._write(scan, holder)
        self.scan = None
        return path

    def _write(self, scan: Scan, holder: Labware) -> Path:
        """Another name first, so that nobody reads half a file."""
        from sim.diffraction import pattern, write_xrdml  # brings the form factor tables, which take a while

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
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f"{scan.sample_id}.tmp"
        write_xrdml(
            unfinished,
            sample_id=scan.sample_id,
            from_deg=programme.from_deg,
            to_deg=programme.to_deg,
            counts=counts,
            counting_time_s=programme.time_s / len(counts),
            start_s=scan.start_s + LOADING_S,
            end_s=scan.end_s - LOADING_S,
        )
        return unfinished.rename(self._folder / f"{scan.sample_id}.xrdml")
