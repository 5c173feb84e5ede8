"""Everything that can be found out about an interlock file before it is relied on: fit, tests, proofs."""

from __future__ import annotations

from pathlib import Path

from lab.config.lab_file import LabConfig
from lab.safety.interlocks.file import load_interlock_file
from lab.safety.interlocks.file_tests import check_tests
from lab.safety.interlocks.lint import linted, site_of
from lab.safety.interlocks.prove import available, prove
from protocols.documents import DocumentError


def check_interlocks(lab: LabConfig, path: Path | None = None) -> bool:
    """Check an interlock file against a lab: that it fits, passes its own tests, and keeps what must never be.

    Args:
        lab: The laboratory that it is to protect.
        path: The file; that of the lab by default.

    Returns:
        Whether its statements were proved; False where the prover is not installed.

    Raises:
        DocumentError: With every fault of the first of the three that finds any, each with its line.
    """
    loaded, site = load_interlock_file(path or lab.interlocks_path), site_of(lab)
    linted(loaded, site)
    faults = check_tests(loaded) or (prove(loaded, site.furnaces) if available() else [])
    if faults:
        raise DocumentError(faults)
    return available()
