"""The public library: structures that are known, with where each comes from."""

from generator.library.structures_index import PublishedStructure, published_structures, structures

__all__ = ["PublishedStructure", "published_structures", "structures"]
