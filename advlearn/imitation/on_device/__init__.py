"""PPO whose rollouts stay on the device of the environments."""
