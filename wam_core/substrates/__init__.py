"""What a future is made of: how each substrate is encoded from recorded data and decoded for people."""
