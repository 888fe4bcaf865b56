"""Regularizers, one file per kind: constraints on a critic and on what it tells the player."""
