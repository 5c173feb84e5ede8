"""Reads a recorded wire transcript, from whichever side it was recorded.

A transcript is JSON, one object in each line:

    {"header": {"links": {"furnace-1": {"model": "eurotherm-3216p", "address": "modbus-rtu:sim/furnace-1/1"}}}}
    {"t": 1767225600.0, "link": "furnace-1", "dir": "tx", "hex": "0103..."}      lab to instrument
    {"t": ..., "link": "furnace-1", "dir": "rx", "hex": "0103..."}               instrument to lab
    {"t": ..., "link": "xrd-1", "dir": "file", "name": "S1.xrdml", "gzip": "H4sI..."}

A header may also tell ``options`` of a link, and at its own level the ``speed`` of the clock, 1 where it tells none.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.errors import BadTranscriptError
from sim.spec import Instrument


@dataclass(frozen=True)
class Entry:
    """Bytes of a transcript in one direction."""

    t_s: float
    link: str
    to_instrument: bool
    data: bytes


@dataclass(frozen=True)
class RecordedFile:
    """A result file of a transcript."""

    t_s: float
    link: str
    name: str
    content: bytes


@dataclass
class Recorded:
    """What a transcript holds."""

    links: dict[str, Instrument] = field(default_factory=dict)
    entries: list[Entry | RecordedFile] = field(default_factory=list)
    """Everything that went over the links, in order."""
    speed: float = 1.0
    """Lab seconds for each second; a recording in time that jumped has no other speed than this."""


def read_transcript(path: Path) -> Recorded:
    """Read a transcript; a last line without an end, cut by a crash, is left out.

    Raises:
        BadTranscriptError: With the line that cannot be read.
    """
    found = Recorded()
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                break
            try:
                _take(json.loads(line), found)
            except (ValueError, KeyError, TypeError, binascii.Error, gzip.BadGzipFile) as error:
                raise BadTranscriptError(
                    f"{path}, line {number}: this is no line of a transcript ({error!r})"
                ) from error
    if not found.links:
        raise BadTranscriptError(
            f"{path}: the header that names links, models and addresses is missing; it comes first"
        )
    return found


def _take(raw: Mapping[str, Any], found: Recorded) -> None:
    header = raw.get("header")
    if header is None:
        found.entries.append(_entry(raw, found.links))
        return
    found.links |= {name: Instrument(name, **told) for name, told in header["links"].items()}
    found.speed = float(header.get("speed", found.speed))


def _entry(raw: Mapping[str, object], links: Iterable[str]) -> Entry | RecordedFile:
    t_s, link = float(str(raw["t"])), str(raw["link"])
    if link not in links:
        raise KeyError(f"link {link} is not in the header")
    if raw["dir"] == "file":
        content = gzip.decompress(base64.b64decode(str(raw["gzip"])))
        return RecordedFile(t_s, link, Path(str(raw["name"])).name, content)
    if raw["dir"] not in ("tx", "rx"):
        raise ValueError(f"dir {raw['dir']!r}")
    return Entry(t_s, link, raw["dir"] == "tx", bytes.fromhex(str(raw["hex"])))
