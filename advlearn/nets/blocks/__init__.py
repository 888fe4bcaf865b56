"""Layers that several architectures share: norms, attention and residual blocks."""
