"""What can go wrong with the state."""

from __future__ import annotations

from lab.errors import LabError


class StateError(LabError):
    """A database that cannot be opened, read or written; the journal has lost nothing."""


class RefusedError(StateError):
    """An event that is not possible in the state as it is; nothing was changed."""
