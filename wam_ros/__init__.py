"""Thin ROS 2 nodes: messages in, one call into wam_core, messages out."""
