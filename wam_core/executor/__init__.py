"""From action chunks to joint torques within every limit: intake, seams, retargeting, shaping, filters, torque."""
