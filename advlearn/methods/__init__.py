"""Rows of the method catalogue: one file for each field, each with ``METHODS``."""
