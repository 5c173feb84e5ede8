"""BRML and RAW v4 of Bruker, read by fairmat-readers-xrd."""

from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from lab.characterization._scan import RawScan
from lab.characterization.errors import PatternError
from lab.characterization.wavelengths import Radiation

if TYPE_CHECKING:
    from pathlib import Path

# Everything the library is known to let through when a file is not what its ending says.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ElementTree.ParseError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    expat.ExpatError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_RAW4_MAGIC = b"RAW4.00"


def read(path: Path) -> RawScan:
    """Read one 2theta scan.

    Raises:
        PatternError: The file is damaged, of another version, or holds something else than one scan.
    """
    if not path.suffix.islower():
        # The library chooses by the ending, capitals are unknown to it.
        raise PatternError(f"{path}: ending {path.suffix!r}, expected {path.suffix.lower()!r}; rename the file")
    if path.suffix == ".raw":
        _check_raw_version(path)
    try:
        found = _read_quietly(path)
    except _FAILURES as error:
        raise PatternError(f"{path}: not a whole {path.suffix} file ({_short(error)}), expected one scan") from error
    if not found or found.get("2Theta") is None or found.get("intensity") is None:
        raise PatternError(f"{path}: no angles and intensities in it, expected one scan over 2theta")
    metadata = found.get("metadata") or {}
    return RawScan(
        two_theta_deg=np.atleast_1d(np.asarray(found["2Theta"].to("degree").magnitude, dtype=np.float64)),
        counts=np.atleast_1d(np.asarray(found["intensity"].magnitude, dtype=np.float64)),
        radiation=_radiation(metadata.get("source") or {}),
        counting_time_s=_seconds(found.get("countTime")),
        sample_id=metadata.get("sample_id") or None,
    )


def _read_quietly(path: Path) -> dict[str, Any] | None:
    from fairmat_readers_xrd import read_file

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Any] | None = read_file(str(path))
    return found


def _check_raw_version(path: Path) -> None:
    with path.open("rb") as file:
        magic = file.read(len(_RAW4_MAGIC))
    if magic != _RAW4_MAGIC:
        raise PatternError(f"{path}: begins with {magic!r}, expected Bruker RAW version 4 ({_RAW4_MAGIC!r})")


def _radiation(source: dict[str, Any]) -> Radiation | None:
    alpha1, alpha2 = (_angstrom(source.get(name)) for name in ("kAlpha1", "kAlpha2"))
    if alpha1 is None:
        return None
    if alpha2 is None:
        return Radiation(alpha1)
    ratio = source.get("ratioKAlpha2KAlpha1")
    share = 0.5 if ratio is None else float(getattr(ratio, "magnitude", ratio))
    return Radiation(alpha1, alpha2, share) if share > 0 else Radiation(alpha1)


def _angstrom(value: Any) -> float | None:
    """Give a plausible wavelength in angstrom from a plain number or a quantity, else None."""
    value = value.to("angstrom").magnitude if hasattr(value, "to") else value
    # What the file does not tell comes as None or as an empty list.
    if not isinstance(value, int | float | np.number):
        return None
    number = float(value)
    return number if 0.1 < number < 5.0 else None


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    numbers = np.atleast_1d(np.asarray(value.to("second").magnitude, dtype=np.float64))
    return float(numbers[0]) if np.ptp(numbers) == 0 and numbers[0] > 0 else None


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 80 else text[:77] + "..."
