"""The main job end to end, told as it happens."""
