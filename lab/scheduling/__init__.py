"""Scheduling: who works when; one RunEngine for each running task, reservations above them."""
