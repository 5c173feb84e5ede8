"""What furnace controllers have in common: programmes, when to look, what to watch, and each family's own part."""
