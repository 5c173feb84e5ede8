"""Records: what was intended, done and measured, written before anything else depends on it."""
