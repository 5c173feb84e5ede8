"""What can be asked of the chemistry that it has no answer for."""


class ChemistryError(ValueError):
    """A charge, a history or a number that the simulated chemistry cannot take."""


class UnknownChemistry(ChemistryError):  # noqa: N818  the name says it
    """A formula, element, grain class or atmosphere that this truth holds nothing about."""
