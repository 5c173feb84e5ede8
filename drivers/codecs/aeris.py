"""Messages of the Aeris diffractometer (instruments.md 5.1).

    @STATUS_REQUEST@UNIT=xrd@END            @ words and KEY=VALUE pairs @END, no line end
    ...@READY=yes@END                       replies are searched for keys; "fatal" anywhere is a refusal

The exact bytes of replies are not published, so nothing else is relied on.
"""

from __future__ import annotations

import re

from drivers.codecs import scan_files
from drivers.errors import CodecError, LimitError, RefusedError

ASK_SYSTEM = "@STATUS_REQUEST@SYSTEM@END"
ASK_READY = "@STATUS_REQUEST@UNIT=xrd@END"

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_PROGRAM_MINUTES = re.compile(r".*-(?P<minutes>\d+(?:\.\d+)?)min")


def ask_location(slot: int) -> str:
    """Ask whether a slot holds a sample."""
    return f"@STATUS_REQUEST@LOCATION=0,{slot}@END"


def add_sample(sample_id: str, slot: int, program: str) -> str:
    """Make a sample known that lies in a slot."""
    return f"@SAMPLE@ADD@APPLICATION={program}@SAMPLE_ID={sample_id}@AT=0,{slot}@END"


def measure_sample(sample_id: str, program: str) -> str:
    """Start the measurement of a known sample."""
    return f"@SAMPLE@MEASURE@SAMPLE_ID={sample_id}@APPLICATION={program}@END"


def move_sample(from_slot: int, to_slot: int) -> str:
    """Move what lies in one slot to another, free one."""
    return f"@SAMPLE@MOVE@SAMPLE_ID@AT=0,{from_slot}@TO=0,{to_slot}@END"


def remove_sample(sample_id: str) -> str:
    """Forget a sample."""
    return f"@SAMPLE@REMOVE@SAMPLE_ID={sample_id}@END"


def check_name(what: str, text: str) -> str:
    """Give `text` back where it can stand in a message and be a file's name.

    Raises:
        LimitError: With what may stand there.
    """
    if not _SAFE_NAME.fullmatch(text):
        raise LimitError(f"{what} {text!r}: Aeris takes letters, digits and . _ + - only")
    return text


def value(key: str, reply: str) -> str:
    """Give the value of a key in a reply, in lower case.

    >>> value("READY", "@STATUS_REPORT@UNIT=xrd@READY=Yes@END")
    'yes'

    Raises:
        RefusedError: Where the reply says fatal.
        CodecError: Where the key is missing.
    """
    check(reply)
    found = re.search(rf"(?:^|@)\s*{re.escape(key)}\s*=\s*([^@]*)", reply)
    if found is None:
        raise CodecError(f"no {key}= in {reply!r}")
    return found[1].strip().lower()


def check(reply: str) -> None:
    """Accept a reply.

    Raises:
        RefusedError: Where it says fatal.
    """
    if "fatal" in reply.lower():
        raise RefusedError(f"the diffractometer refused: {reply}")


def answers(key: str, message: str) -> bool:
    """Whether a message can be the reply to the question for a key.

    >>> answers("READY", "@SAMPLE@MEASURED@SAMPLE_ID=S1@END"), answers("READY", "@STATUS_REPORT@READY=no@END")
    (False, True)
    """
    return not is_unasked(message) and ("fatal" in message.lower() or f"{key}=" in message.replace(" ", ""))


def is_unasked(message: str) -> bool:
    """Whether a message came by itself: a sample was measured, somewhere in between.

    >>> is_unasked("@SAMPLE@MEASURED@SAMPLE_ID=S1@END")
    True
    """
    return re.search(r"\bMEASURED\b", message) is not None


def program_s(program: str) -> float | None:
    """Give the seconds that a programme takes where its name says so.

    >>> program_s("10-80deg-8min")
    480.0
    """
    found = _PROGRAM_MINUTES.fullmatch(program)
    return float(found["minutes"]) * 60.0 if found else None


def is_complete(xrdml: bytes) -> bool:
    """Whether a result file has been written to its end."""
    return scan_files.is_whole_xrdml(xrdml)
