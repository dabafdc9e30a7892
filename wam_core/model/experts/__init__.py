"""Whose layers an expert of the trunk has: one file for each kind."""
