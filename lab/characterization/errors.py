"""What can go wrong between a measured file and the phases in it."""

from lab.errors import LabError, UsageError


class CharacterizationError(LabError):
    """Base of every error this folder raises; its text is one sentence for a person."""


class PatternError(CharacterizationError, UsageError):
    """A file is not a readable powder pattern."""


class ReferenceFolderError(CharacterizationError, UsageError):
    """No usable reference structure was found where one was expected."""
