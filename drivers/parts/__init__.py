"""What devices are made of: parts that several share, or that one would be too large with."""
