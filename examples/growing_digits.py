"""Train ProGAN on digits up to 32 pixels, and plot the same latents at each resolution.

Each row of the picture shows samples of the moving average at the end of a resolution, before the
next one fades in. `--data mnist` uses MNIST, which is downloaded.

python examples/growing_digits.py [--steps 3000] [--data digits-32]
    [--picture growing_digits.png]
"""

import argparse

import torch

import advlearn
from advlearn.core.trainer import Callback, Trainer
from advlearn.plots import image_table
from advlearn.training.progress import Progress

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3000)
parser.add_argument("--data", default="digits-32")
parser.add_argument("--objective", default="nsgan + r1(weight=0.1)")
parser.add_argument("--picture", default="growing_digits.png")
options = parser.parse_args()


class SamplesByResolution(Callback):
    """Sample the EMA generator at the end of each resolution."""

    def __init__(self) -> None:
        self.rows: dict[str, torch.Tensor] = {}
        self.z = torch.randn(10, 64, generator=torch.Generator().manual_seed(0))

    def on_step(self, trainer: Trainer) -> None:
        generator = trainer.callbacks[0].module.generator
        growth = generator.growth
        if not growth.fading and (trainer.step % 20 == 0 or trainer.step == trainer.steps):
            side = generator.shape[1] // 2 ** (growth.doublings - growth.newest)
            self.rows[f"{side} pixels"] = generator(self.z)


stages = SamplesByResolution()
task = "generate(latent=64, architecture='progan', base_channels=16)"
callbacks = (stages, Progress())  # `fit` grows the networks
settings = {"steps": options.steps, "batch_size": 32, "lr": 1e-3, "device": "cpu"}
run = advlearn.fit(task, options.objective, options.data, callbacks=callbacks, **settings)
image_table(torch.stack(list(stages.rows.values())), options.picture, rows=list(stages.rows))
print(f"{run.health()['data']}; picture: {options.picture}")
