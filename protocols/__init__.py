"""Experimental procedures: the recipe, and the Bluesky plans that carry one out."""
