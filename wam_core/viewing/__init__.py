"""Recordings and running graphs on the screen of somebody who has no ROS tools."""
