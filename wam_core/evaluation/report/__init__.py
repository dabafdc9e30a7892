"""What every preset reaches at one stated budget, what it costs, and how it fails."""
