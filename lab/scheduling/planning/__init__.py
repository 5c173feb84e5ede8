"""Which task when and where, and which crucibles share a furnace: pure, in lab seconds, same input, same plan."""
