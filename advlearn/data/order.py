"""The order in which samples are drawn: shuffled each epoch, weighted, and resumed exactly."""

from typing import final

import torch
from torch import Tensor


@final
class Order:
    """Cut a new permutation of the samples into joint batches each epoch.

    The permutation of epoch e and seed s comes from a private CPU generator and does not depend on
    earlier draws. An incomplete batch at the end of an epoch is dropped. Every process computes the
    same permutation and takes its contiguous share of each joint batch.

    Args:
        samples: Number of samples N.
        batch_size: Samples in the joint batch B.
        seed: Seed of the permutations.
        rank: Index of this process.
        world_size: Number of processes W; divides B.
        shuffle: False goes through the samples in order.
        weights: Relative frequency of each sample, float (N,): an epoch is N draws with
            replacement. None draws each sample once.
    """

    def __init__(
        self,
        samples: int,
        batch_size: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
        weights: Tensor | None = None,
    ) -> None:
        if batch_size < 1 or world_size < 1 or batch_size % world_size:
            raise ValueError(
                f"batch_size: expected a positive multiple of world_size={world_size}, "
                f"got {batch_size}"
            )
        if batch_size > samples:
            raise ValueError(
                f"batch_size: expected at most the {samples} samples of the data, got {batch_size}"
            )
        if not 0 <= rank < world_size:
            raise ValueError(
                f"rank: expected 0 to {world_size - 1} with world_size={world_size}, got {rank}"
            )
        self.samples = samples
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.shuffle = shuffle
        self.weights = weights
        self.epoch = 0
        self.position = 0

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return self.samples // self.batch_size

    def indices(self) -> Tensor:
        """Return this process's sample indices of the current epoch, int64 (batches, B / W)."""
        if self.weights is not None:
            order = torch.multinomial(
                self.weights, self.samples, replacement=True, generator=self._generator()
            )
        elif self.shuffle:
            order = torch.randperm(self.samples, generator=self._generator())
        else:
            order = torch.arange(self.samples)
        return self._share(order)

    def mirrored(self) -> Tensor:
        """Return which samples of this process's current epoch are mirrored, bool (batches, B / W).

        Each is with probability 1/2, from a separate generator.
        """
        coins = torch.rand(self.samples, generator=self._generator(stream=1))
        return self._share(coins < 0.5)

    def _generator(self, stream: int = 0) -> torch.Generator:
        # torch's CPU generator keeps 32 bits of a seed. With seed + epoch, run s + 1 would repeat
        # run s one epoch later; a large odd factor separates nearby seeds.
        seed = self.seed * 0x9E3779B1 + self.epoch + stream * 0x85EBCA6B
        return torch.Generator().manual_seed(seed % 2**32)

    def _share(self, order: Tensor) -> Tensor:
        """Cut one value per sample of an epoch into the batches of this process."""
        share = self.batch_size // self.world_size
        joint = order[: self.per_epoch * self.batch_size].view(self.per_epoch, self.batch_size)
        return joint[:, self.rank * share : (self.rank + 1) * share].contiguous()

    def start_epoch_if_done(self) -> bool:
        """Start the next epoch after the last batch of this one; return whether it did."""
        if self.position < self.per_epoch:
            return False
        self.epoch, self.position = self.epoch + 1, 0
        return True

    def state_dict(self) -> dict[str, int]:
        """Return the position in the order, and the settings it is valid for: plain ints."""
        keys = ("epoch", "position", "seed", "samples", "batch_size")
        return {key: getattr(self, key) for key in keys}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from a saved position.

        Args:
            state: State of an order of the same data and batch size.

        Raises:
            ValueError: A state of other data or another batch size, or an incomplete one.
        """
        missing = {"epoch", "position", "seed", "samples", "batch_size"} - state.keys()
        if missing:
            raise ValueError(
                f"state: expected the keys of a data order, got a state without "
                f"{', '.join(sorted(missing))}"
            )
        for key in ("samples", "batch_size"):
            if state[key] != getattr(self, key):
                raise ValueError(
                    f"state: expected {key}={getattr(self, key)} like this run, got {state[key]}"
                )
        self.epoch, self.position, self.seed = state["epoch"], state["position"], state["seed"]
