"""The people of a laboratory: users, roles, sessions, tokens."""
