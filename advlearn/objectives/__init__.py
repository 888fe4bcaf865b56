"""Objectives, one file per family: the tree is the table of contents."""
