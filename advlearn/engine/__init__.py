"""What runs a game: devices and processes, random state, checkpoints, and callbacks that watch."""
