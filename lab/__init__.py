"""One laboratory brought together: configuration, safety, scheduling, records, campaigns, command line."""
