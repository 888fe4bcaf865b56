"""What connects learned rewards with the algorithms of stable-baselines3."""
