"""The state: what is where, who has it and how much is left, as the journal's events leave it."""
