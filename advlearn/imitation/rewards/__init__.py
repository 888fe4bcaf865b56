"""Rewards that are learned from demonstrations: critics, shapes, scales and files."""
