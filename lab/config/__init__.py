"""Configuration: the files that people write, read and checked against each other."""
