"""Campaigns: suggest, make, measure, learn, and tell what came of it."""
