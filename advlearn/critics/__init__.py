"""Critics: what they are given, the proposed network for it, and the user's networks in its place."""

from advlearn.core.inputs import Inputs
from advlearn.critics.build import build
from advlearn.critics.propose import propose

__all__ = ["Inputs", "build", "propose"]
