"""A hot plate that a laboratory has built itself: its driver, and what stands in for it."""
