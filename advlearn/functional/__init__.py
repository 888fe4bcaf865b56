"""Mathematics that objectives, regularizers, metrics and diagnostics share, each in one place."""
