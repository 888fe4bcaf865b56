"""Learn codes of digits with BiGAN, ALI or BigBiGAN, without a reconstruction error.

The picture has a row for each of eight digits: the digit, its reconstruction, and an interpolation
between its code and that of the next digit. The printed lines compare a linear classifier on the
codes with one on the pixels. The codes keep which digit an image shows better than how it is drawn;
``--reconstruction 0.1`` adds a small reconstruction error.

python examples/bigan_digits.py [--steps 4000] [--method bigan] [--reconstruction 0]
    [--picture bigan_digits.png]
"""

import argparse

import torch
from sklearn.linear_model import LogisticRegression

import advlearn
from advlearn.data import load
from advlearn.plots import image_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=4000)
parser.add_argument("--method", default="bigan", help="bigan, ali or bigbigan")
parser.add_argument("--reconstruction", type=float, default=0.0, help="weight of the squared error")
parser.add_argument("--objective", default="r3gan(weight=0.1)")
parser.add_argument("--picture", default="bigan_digits.png")
options = parser.parse_args()

digits = load("digits")
order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
train, test = order[:1500], order[1500:]
task = f"{options.method}(latent=16, base_channels=32, reconstruction={options.reconstruction})"
settings = {"steps": options.steps, "lr": 5e-4, "device": "cpu"}
run = advlearn.fit(task, options.objective, digits.x[train], **settings)

examples = digits.x[test[:8]]
interpolations = run.ema_model.interpolate(examples, examples.roll(-1, 0), 8)
columns = torch.cat(
    [
        examples[:, None],
        run.ema_model.reconstruct(examples)[:, None],
        interpolations[:, 1:-1],
        examples.roll(-1, 0)[:, None],
    ],
    1,
)
image_table(columns, options.picture, columns=["digit", "decoded", *[""] * 6, "next"])

for name, represent in (("pixels", lambda x: x.flatten(1)), ("codes", run.ema_model.encode)):
    model = LogisticRegression(max_iter=2000).fit(
        represent(digits.x[train]).numpy(), digits.y[train].numpy()
    )
    test_accuracy = model.score(represent(digits.x[test]).numpy(), digits.y[test].numpy())
    print(f"linear classifier on {name}: {test_accuracy:.3f}")
error = (run.ema_model.reconstruct(digits.x[test]) - digits.x[test]).square().mean()
verdicts = ", ".join(map(str, run.health().values()))
print(f"squared error per pixel of the reconstructions: {error:.3f}; {verdicts}")
print(f"picture: {options.picture}")
