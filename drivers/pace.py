"""How often to look at an instrument: once a minute on steady stretches, each second around transitions."""

STEADY_S = 60.0
"""Lab seconds between polls on a steady stretch."""
CLOSE_S = 1.0
"""Lab seconds between polls around a transition."""


def next_poll_s(now_s: float, transition_s: float | None = None) -> float:
    """Give the lab time of the next poll.

    A transition that is still to come is met exactly; one that is overdue is looked for each second, and ever
    more slowly as it stays away.

    >>> next_poll_s(0.0), next_poll_s(0.0, 1000.0), next_poll_s(990.0, 1000.0)
    (60.0, 60.0, 1000.0)
    >>> next_poll_s(1002.0, 1000.0), next_poll_s(1600.0, 1000.0)
    (1003.0, 1610.0)
    """
    if transition_s is None:
        return now_s + STEADY_S
    if now_s < transition_s:
        return min(now_s + STEADY_S, transition_s)
    return now_s + min(STEADY_S, max(CLOSE_S, (now_s - transition_s) / 60.0))
