"""Run DANN of skada 0.6.0 once on arrays of `adapt_digits.py`.

The arguments are a folder, a method, a seed and a number of steps. The methods are:

- `default`: `DANN` with nothing but the layer and its width. Its domain classifier ends in a
  softmax over one output, so it predicts 1 for every sample and sends no gradient to the features:
  the model is trained on the source only.
- `own domain classifier`: advlearn's critic, two layers of 128, after skada's reversal, and a
  sigmoid, since skada's loss expects probabilities; weight 1, the default.

The network is that of advlearn, written out; Adam at 1e-3 with torch's decay rates, batches of 64 +
64, and the weights of the last step. skada counts epochs of whole batches, so the number of steps
is printed too.
"""

# pyright: reportMissingImports=false

import json
import sys
import time
from pathlib import Path

import numpy as np
import skada
import torch
from skada.deep import DANN
from skada.deep.modules import GradientReversalLayer
from torch import nn

BATCH, LR = 64, 1e-3


class Network(nn.Module):
    """Two convolutions as `features`, three dense layers as `head`."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.width = 48 * (((side - 4) // 2 - 4) // 2) ** 2
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        )
        self.head = nn.Sequential(
            nn.Linear(self.width, 100),
            nn.ReLU(),
            nn.Linear(100, 100),
            nn.ReLU(),
            nn.Linear(100, 10),
        )

    def forward(self, x, sample_weight=None):
        """Map images to logits; skada passes weights of None when it predicts."""
        return self.head(self.features(x))


class DomainClassifier(nn.Module):
    """Predict the probability of the target, after a gradient reversal."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(width, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2)),
            *(nn.Linear(128, 1), nn.Sigmoid()),
        )

    def forward(self, h):
        """Map features (N, width) to probabilities (N,)."""
        return self.layers(GradientReversalLayer.apply(h, 1.0)).squeeze(1)


def main() -> None:
    """Train, write the decisions and print the time."""
    folder, method, seed, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    own = {"default": False, "own domain classifier": True}[method]
    torch.set_num_threads(1)
    with np.load(folder / "data.npz") as file:
        data = {
            name: file[name].astype(np.int64 if name == "y" else np.float32) for name in file.files
        }
    torch.manual_seed(
        seed
    )  # of the weights and, since skada draws from the global generator, of the order
    network = Network(*data["x"].shape[1:3])
    classifier = (
        {"domain_classifier": DomainClassifier(network.width)}
        if own
        else {"num_features": network.width}
    )
    model = DANN(
        network,
        layer_name="features",
        reg=1,
        **classifier,
        optimizer=torch.optim.Adam,
        lr=LR,
        batch_size=BATCH,
        max_epochs=max(1, round(steps * BATCH / len(data["x"]))),
        train_split=None,  # otherwise a fifth of the data is held out
        verbose=0,
    )
    # Sources have domains from zero; the target has a negative domain and labels of -1.
    n, m = len(data["x"]), len(data["target_x"])
    x, y = (
        np.concatenate([data["x"], data["target_x"]]),
        np.concatenate([data["y"], np.full(m, -1)]),
    )
    domain = np.concatenate([np.full(n, 1), np.full(m, -2)])
    began = time.process_time()
    model.fit(x, y, sample_domain=domain)
    seconds = time.process_time() - began
    decided = model.predict(data["test_x"], sample_domain=np.full(len(data["test_x"]), -2))
    np.save(folder / "decided.npy", np.asarray(decided).astype(int))
    steps_made = sum(len(epoch["batches"]) for epoch in model.history)
    print(
        json.dumps(
            {"steps": steps_made, "cpu_seconds": round(seconds, 1), "version": skada.__version__}
        )
    )


if __name__ == "__main__":
    main()
