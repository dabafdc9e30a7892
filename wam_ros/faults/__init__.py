"""Faults injected into a running graph, and what the arm does then: `wam faults`."""
