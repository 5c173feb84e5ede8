"""Which crystal could exist: structures and their properties."""
