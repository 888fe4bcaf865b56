"""Critics: proposed networks for their inputs, and the user's networks in their place."""

from advlearn.core.inputs import Inputs
from advlearn.critics.build import build
from advlearn.critics.propose import propose

__all__ = ["Inputs", "build", "propose"]
