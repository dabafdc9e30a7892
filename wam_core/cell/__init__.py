"""The embedded work cell: a MuJoCo scene that senses and moves like the robot of a contract file."""
