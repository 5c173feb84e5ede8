"""RASX, Rigaku's zip: ``Data0/Profile0.txt`` holds 2theta, intensity and attenuation; the conditions are XML beside it.

The profile is UTF-8 with a byte-order mark; intensities have yet to be multiplied by the attenuation.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from lab.characterization._scan import RawScan
from lab.characterization.errors import PatternError
from lab.characterization.wavelengths import Radiation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PROFILE = "Data0/Profile0.txt"
# Sic: the maker's spelling.
_CONDITIONS = "Data0/MesurementConditions0.xml"


def read(path: Path) -> RawScan:
    """Read the first profile.

    Raises:
        PatternError: Not a whole zip, no profile in it, or a line that is not three numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            profile = archive.read(_PROFILE)
            conditions = archive.read(_CONDITIONS) if _CONDITIONS in archive.namelist() else b""
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PatternError(f"{path}: not a whole zip ({error}), expected a RASX file") from error
    except KeyError as error:
        raise PatternError(f"{path}: no {_PROFILE} in the zip, expected a RASX file with a profile") from error
    table = _table(path, profile)
    return RawScan(
        two_theta_deg=table[:, 0],
        counts=table[:, 1] * table[:, 2],
        radiation=_radiation(path, conditions),
        lines=np.arange(1, len(table) + 1, dtype=np.int64),
    )


def _table(path: Path, profile: bytes) -> NDArray[np.float64]:
    rows = []
    for number, line in enumerate(profile.decode("utf-8-sig", errors="replace").splitlines(), start=1):
        try:
            row = [float(part) for part in line.split()]
        except ValueError:
            row = []
        if len(row) != 3:
            raise PatternError(f"{path}, {_PROFILE} line {number}: expected angle, intensity and attenuation")
        rows.append(row)
    return np.asarray(rows, dtype=np.float64).reshape(-1, 3)


def _radiation(path: Path, conditions: bytes) -> Radiation | None:
    if not conditions:
        return None
    try:
        root = ElementTree.fromstring(conditions)
    except ElementTree.ParseError as error:
        raise PatternError(f"{path}, {_CONDITIONS}: not whole XML ({error}), expected one") from error
    alpha1, alpha2 = (_number(root.findtext(f".//{name}")) for name in ("WavelengthKalpha1", "WavelengthKalpha2"))
    if alpha1 is None:
        return None
    return Radiation(alpha1) if alpha2 is None else Radiation(alpha1, alpha2, 0.5)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0.1 < value < 5.0 else None
