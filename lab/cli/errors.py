"""From errors to one sentence and an exit code: 2 for bad input, 1 for a run that failed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

BAD_INPUT = 2
FAILED = 1


@contextmanager
def sentences() -> Iterator[None]:
    """Turn the errors that people can do something about into their sentence and an exit code.

    Everything else is a defect, and comes with its trace.
    """
    try:
        yield
    except Exception as error:
        code = _code(error)
        if code is None:
            raise
        sys.stderr.write(f"athanor: {error}\n")
        raise SystemExit(code) from None


def _code(error: Exception) -> int | None:
    from drivers.gate import DriverError
    from lab.characterization.errors import CharacterizationError
    from lab.errors import LabError, UsageError
    from planner.errors import PlannerError
    from protocols.documents import DocumentError

    if isinstance(error, UsageError | DocumentError | CharacterizationError | PlannerError | DriverError):
        return BAD_INPUT
    return FAILED if isinstance(error, LabError) else None
