"""Recordings and training sets: writing, reading, synchronising, statistics."""
