"""What can be wrong with a laboratory that is to be simulated, or with a transcript that is to be replayed."""


class SimError(Exception):
    """Something the simulator cannot serve; the text is one sentence for the operator."""


class UnknownModelError(SimError):
    """An instrument model that no simulator speaks for."""


class UnknownLotError(SimError):
    """A lot whose formula the simulated chemistry holds nothing about, or a head without a lot."""


class BadAddressError(SimError):
    """An address that this model of instrument cannot be served at."""


class PortInUseError(SimError):
    """A TCP port or a path that somebody else holds."""


class BadOptionError(SimError):
    """An instrument option that is missing or has a value that means nothing."""


class BadTranscriptError(SimError):
    """A recorded wire that cannot be read back."""
