"""The one gateway for every command, and what it asks: leases, limits, holds; driving by hand."""
