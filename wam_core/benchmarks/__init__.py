"""Simulators that others made and measure by, each in an environment of its own, behind one protocol."""
