"""World Action Models on real robots: the part that knows no ROS.

Data flows one way: bytes -> observation -> prediction -> chunk -> command.
"""
