"""The LeRobot dataset format, version 3.0 (huggingface.co/docs/lerobot/lerobot-dataset-v3), to and from recordings."""
