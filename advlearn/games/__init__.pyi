# Written by `make stubs`; do not edit.
"""Rules that move critic and model together: one file per rule, for example ``Lookahead``."""

from advlearn.games.extragradient import Extragradient as Extragradient
from advlearn.games.lookahead import Lookahead as Lookahead
from advlearn.games.optimistic import Optimistic as Optimistic
