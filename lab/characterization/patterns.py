"""Read what a diffractometer wrote, whatever the maker, into one typed pattern."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.characterization import _rasx_scan, _text_scan, _vendor_scan, _xrdml_scan
from lab.characterization.errors import PatternError
from lab.characterization.wavelengths import Radiation, radiation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lab.characterization._scan import RawScan

_READERS: dict[str, Callable[[Path], RawScan]] = {
    ".xrdml": _xrdml_scan.read,
    ".xy": _text_scan.read,
    ".xye": _text_scan.read,
    ".csv": _text_scan.read,
    ".txt": _text_scan.read,
    ".rasx": _rasx_scan.read,
    ".brml": _vendor_scan.read,
    ".raw": _vendor_scan.read,
}
SUFFIXES = tuple(_READERS)
MIN_POINTS = 50


@dataclass(frozen=True, eq=False)
class Pattern:
    """One powder pattern.

    Attributes:
        two_theta_deg: Strictly rising angles, degrees, shape (n,).
        counts: Detector counts (attenuation undone), shape (n,); background-subtracted files may dip below 0.
        wavelength_angstrom: The main line (Kalpha1 where the radiation is a doublet).
        counting_time_s: Time per point, s, if the file tells.
        instrument: The instrument's name, if the file tells.
        sample_id: The sample's name, if the file tells.
        path: Where it was read from.
        radiation: All lines of the radiation.
    """

    two_theta_deg: NDArray[np.float64]
    counts: NDArray[np.float64]
    wavelength_angstrom: float
    counting_time_s: float | None
    instrument: str | None
    sample_id: str | None
    path: Path
    radiation: Radiation = field(default_factory=lambda: radiation("CuKa"))


def read_pattern(path: str | Path, wavelength: str | float | None = None) -> Pattern:
    """Read a powder pattern of any known format, chosen by the file's ending.

    Args:
        path: The file; `SUFFIXES` lists the known endings.
        wavelength: ``CuKa``, ``CuKa1``, ``CoKa``, ... or angstrom; None takes the file's own, else Cu Kalpha.

    Raises:
        PatternError: The file cannot be read, or what it holds is not a powder pattern.
    """
    path = Path(path)
    chosen = None if wavelength is None else radiation(wavelength)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise PatternError(f"{path}: ending {path.suffix!r} is unknown, expected {', '.join(SUFFIXES)}")
    try:
        scan = read(path)
    except OSError as error:
        raise PatternError(f"{path}: cannot be read ({error.strerror or error})") from error
    _check(path, scan)
    used = chosen or scan.radiation or radiation("CuKa")
    return Pattern(
        two_theta_deg=scan.two_theta_deg,
        counts=scan.counts,
        wavelength_angstrom=used.alpha1_angstrom,
        counting_time_s=scan.counting_time_s,
        instrument=scan.instrument,
        sample_id=scan.sample_id,
        path=path,
        radiation=used,
    )


def _check(path: Path, scan: RawScan) -> None:
    """Refuse what no diffractometer measures: too short, unordered, impossible or non-finite."""
    angles, counts = scan.two_theta_deg, scan.counts
    if len(angles) != len(counts):
        raise PatternError(f"{path}: {len(angles)} angles but {len(counts)} counts, expected one each")
    if len(angles) < MIN_POINTS:
        raise PatternError(f"{path}: {len(angles)} points, expected at least {MIN_POINTS}")
    for name, values in (("angle", angles), ("count", counts)):
        if not np.isfinite(values).all():
            place = scan.place(int(np.argmin(np.isfinite(values))))
            raise PatternError(f"{path}, {place}: {name} is not a finite number, expected one")
    if (np.diff(angles) <= 0).any():
        index = int(np.argmax(np.diff(angles) <= 0)) + 1
        raise PatternError(
            f"{path}, {scan.place(index)}: angle {angles[index]:g} follows {angles[index - 1]:g}, "
            "expected rising angles"
        )
    if angles[0] < 0 or angles[-1] > 180:
        raise PatternError(
            f"{path}: angles run from {angles[0]:g} to {angles[-1]:g}, expected 2theta within 0 to 180 degrees"
        )
