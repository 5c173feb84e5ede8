"""Result files of diffractometers as far as a driver looks into them: whether they are whole, and whose they are.

.xrdml   XML, ends with </xrdMeasurements>; sample > id
.brml    a zip archive, readable to its end
.raw     Bruker: RAW1.01 (version 3) tells its steps and, at byte 326, its sample; RAW4.00 tells neither here
.xy      lines of two numbers, comments after ' # or !; Bruker's first line has Id: "S1"      (instruments.md 5.2)
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import PurePath

_ROOT_END = re.compile(rb"</(?:\w+:)?xrdMeasurements\s*>\s*\Z")
_XRDML_ID = re.compile(rb"<(?:\w+:)?id>\s*([^<]*?)\s*</(?:\w+:)?id>")
_XY_ID = re.compile(rb"^[#'!].*\bId: \"([^\"]*)\"", re.MULTILINE)
SHORT_DEG = 0.5
"""A scan that ends so much before its last angle is cut: no step is as wide."""
_RANGE, _STEP_BYTES = 712, 4
"""Where the first range of a RAW1.01 file begins, and the bytes of one of its counts."""


def is_complete(name: str, content: bytes, to_deg: float | None = None) -> bool:
    """Whether a result file, by its name and content, has been written to its end as far as that can be seen.

    A list of angles and counts does not say where it should end: `to_deg` does, where it is known.
    """
    check = _COMPLETE.get(suffix(name))
    if check is None or not check(content):
        return False
    return to_deg is None or suffix(name) != ".xy" or float(content.split(b"\n")[-2].split()[0]) > to_deg - SHORT_DEG


def sample_of(name: str, content: bytes) -> str | None:
    """Give the sample that a file says it is of, or None where it says nothing."""
    kind, found = suffix(name), None
    if kind == ".xrdml":
        found = _XRDML_ID.search(content)
    elif kind == ".xy":
        found = _XY_ID.search(content)
    elif kind == ".raw" and content.startswith(b"RAW1.01"):
        return content[326:386].split(b"\0")[0].decode("latin-1").strip() or None
    return found[1].decode("utf-8", errors="replace") or None if found is not None else None


def suffix(name: str) -> str:
    """Give a file's ending in lower case.

    >>> suffix("S1.XRDML")
    '.xrdml'
    """
    return PurePath(name).suffix.lower()


def is_whole_xrdml(content: bytes) -> bool:
    """Whether the root of an XRDML file is closed."""
    return _ROOT_END.search(content[-200:]) is not None


def _is_whole_brml(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return bool(archive.namelist()) and archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        return False


def _is_whole_raw(content: bytes) -> bool:
    if not content.startswith(b"RAW1.01"):
        return content.startswith(b"RAW")
    if len(content) < _RANGE + 8:
        return False
    header, steps = struct.unpack_from("<ii", content, _RANGE)
    return bool(header > 0 and steps > 0 and len(content) >= _RANGE + header + _STEP_BYTES * steps)


def _is_whole_xy(content: bytes) -> bool:
    """Whether every line is whole: one that was cut has no end of line."""
    if not content.endswith(b"\n"):
        return False
    rows = [line.split() for line in content.splitlines() if line.strip() and line[:1] not in (b"#", b"'", b"!")]
    try:
        return len(rows) > 1 and all(len([float(value) for value in row]) >= 2 for row in rows)
    except ValueError:
        return False


_COMPLETE: Mapping[str, Callable[[bytes], bool]] = {
    ".xrdml": is_whole_xrdml,
    ".brml": _is_whole_brml,
    ".raw": _is_whole_raw,
    ".xy": _is_whole_xy,
}
SUFFIXES = tuple(_COMPLETE)
