"""Alarms as objects, and who is told of them."""
