"""Generators and critics of published papers, one file per paper."""
