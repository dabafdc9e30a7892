"""Verbs of `wam` that are about the running graph; the table of all verbs is wam_core/cli/main.py."""
