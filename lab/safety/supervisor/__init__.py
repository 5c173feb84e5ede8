"""The safety supervisor as a process of its own, and the lab service's side of it."""
