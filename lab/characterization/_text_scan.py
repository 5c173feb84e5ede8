"""Column files: angle, counts and columns to ignore, with or without a header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lab.characterization._scan import RawScan
from lab.characterization.errors import PatternError

if TYPE_CHECKING:
    from pathlib import Path

_COMMENT = ("#", "!", "'", '"', "/", "*")
# A table's own header is a line or two; more text than this is another kind of file.
_MAX_HEADER_LINES = 60


def read(path: Path) -> RawScan:
    """Read angle and counts from the first two columns.

    Columns are parted by comma, semicolon, tab or blanks; with semicolon or tab the decimal sign may be a comma.

    Raises:
        PatternError: No numbers, or a line that is not two or more numbers once numbers have begun.
    """
    text = _decode(path)
    rows: list[tuple[float, float]] = []
    lines: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(_COMMENT):
            continue
        row = _numbers(stripped)
        if row is not None:
            rows.append(row)
            lines.append(number)
        elif rows or number > _MAX_HEADER_LINES:
            raise PatternError(f"{path}, line {number}: {_shown(stripped)}, expected an angle and counts")
    if not rows:
        raise PatternError(f"{path}: no line with an angle and counts, expected two columns of numbers")
    table = np.asarray(rows, dtype=np.float64)
    return RawScan(table[:, 0], table[:, 1], lines=np.asarray(lines, dtype=np.int64))


def _decode(path: Path) -> str:
    data = path.read_bytes()
    if not data.strip():
        raise PatternError(f"{path}: the file is empty, expected two columns of numbers")
    if b"\0" in data:
        raise PatternError(f"{path}: byte {data.index(0)} is binary, expected text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Instruments set to a Western code page write degree signs in it; every byte has a meaning there.
        return data.decode("latin-1")


def _numbers(line: str) -> tuple[float, float] | None:
    """Give the first two numbers of a line, None unless it starts with two."""
    if ";" in line or "\t" in line:
        parts = [part.strip().replace(",", ".") for part in re.split(r"[;\t]+", line)]
    else:
        parts = re.split(r"\s*,\s*|\s+", line)
    try:
        return float(parts[0]), float(parts[1])
    except (ValueError, IndexError):
        return None


def _shown(line: str) -> str:
    return repr(line if len(line) <= 40 else line[:37] + "...")
