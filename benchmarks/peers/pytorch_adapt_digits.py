"""Run DANN of pytorch-adapt 0.0.83 once on arrays of `adapt_digits.py`.

The arguments are a folder, a method, a seed and a number of steps. The method `default` is
`DANNHook` with nothing but the optimizers: reversal of weight 1 from the first step, and a loss
that is the mean of three, one of the classes and one of each domain. The domain classifier is the
library's own with layers of 128, the width of advlearn's critic; its default of 2,048 is meant for
larger features.

The network is that of advlearn, written out; Adam at 1e-3 with torch's decay rates, batches of 64 +
64, and the weights of the last step. The library needs `setuptools<81`, torchmetrics 0.9.3 and
pytorch-metric-learning 1.6.3.
"""

# pyright: reportMissingImports=false

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.library import Library

BATCH, LR = 64, 1e-3
# torchvision, which the library imports, is built for CUDA. With a CPU build of torch its import
# fails, because some operators are not declared. The declarations last as long as this object.
OPERATORS = None
try:
    importlib.import_module("torchvision")
except RuntimeError:
    OPERATORS = Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def network(channels: int, side: int) -> tuple[nn.Module, nn.Module, int]:
    """Build two convolutions, three dense layers on them, and the width between."""
    width = 48 * (((side - 4) // 2 - 4) // 2) ** 2
    features = nn.Sequential(
        *(nn.Conv2d(channels, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
    )
    head = nn.Sequential(
        nn.Linear(width, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
    )
    return features, head, width


def shuffled(n: int):
    """Yield indices of batches without end, in a new order each epoch."""
    while True:
        order = torch.randperm(n)
        yield from (order[i : i + BATCH] for i in range(0, n - BATCH + 1, BATCH))


def main() -> None:
    """Train, write the decisions and print the time."""
    folder, method, seed, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if method != "default":
        raise SystemExit(f"method: expected 'default', got {method!r}")
    import pytorch_adapt
    from pytorch_adapt.hooks import DANNHook
    from pytorch_adapt.models import Discriminator

    torch.set_num_threads(1)
    with np.load(folder / "data.npz") as file:
        data = {
            name: torch.from_numpy(file[name].astype(np.int64 if name == "y" else np.float32))
            for name in file
        }
    torch.manual_seed(seed)
    features, head, width = network(*data["x"].shape[1:3])
    models = {"G": features, "C": head, "D": Discriminator(in_size=width, h=128)}
    hook = DANNHook([torch.optim.Adam(model.parameters(), lr=LR) for model in models.values()])
    # The hook names its inputs like this; a sample's domain is 0 for the source and 1 for the
    # target.
    domains = {"src_domain": torch.zeros(BATCH), "target_domain": torch.ones(BATCH)}
    source, target = shuffled(len(data["x"])), shuffled(len(data["target_x"]))
    began = time.process_time()
    for _ in range(steps):
        i, j = next(source), next(target)
        batch = {
            "src_imgs": data["x"][i],
            "src_labels": data["y"][i],
            "target_imgs": data["target_x"][j],
        }
        hook({**models, **domains, **batch})  # updates all three
    seconds = time.process_time() - began
    with torch.no_grad():
        decided = torch.cat([head(features(part)).argmax(1) for part in data["test_x"].split(1000)])
    np.save(folder / "decided.npy", decided.numpy().astype(int))
    print(json.dumps({"cpu_seconds": round(seconds, 1), "version": pytorch_adapt.__version__}))


if __name__ == "__main__":
    main()
