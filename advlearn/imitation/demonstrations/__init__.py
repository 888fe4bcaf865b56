"""Demonstrations: episodes of an expert, read, checked and turned into transitions."""
