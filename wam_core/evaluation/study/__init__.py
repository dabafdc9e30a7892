"""A question asked of several ways of training, with seeds enough to answer it."""
