"""The family of errors that a person running a laboratory sees."""

from __future__ import annotations


class LabError(Exception):
    """Something the laboratory cannot do; the text is one sentence with what was seen and what to do."""


class UsageError(LabError):
    """Bad input: nothing was started."""
