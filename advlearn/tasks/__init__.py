"""Tasks, one file each: where the two sets of samples come from, and what else the player wants."""
