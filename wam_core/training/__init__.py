"""Training: from recordings to a checkpoint folder."""
