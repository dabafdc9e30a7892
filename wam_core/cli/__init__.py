"""The verbs of the `wam` command, one file each."""
