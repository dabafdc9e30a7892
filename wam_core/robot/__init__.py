"""One robot: its contract file, kinematics, inverse kinematics and dynamics."""
