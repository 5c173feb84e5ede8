"""Rules: which event is possible in the state as it is, and what it changes."""
