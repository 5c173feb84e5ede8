"""The judgement of a scan, its memory, and the monitor that acts on it where time jumps."""
