"""Learn codes of digits from a critic that sees pairs of a digit and its code, and no error of reconstruction.

The picture has a row for each of eight digits: the digit, what its code is decoded to, and the line
of codes from it to the next digit. The printed lines compare a linear classifier on the codes with
one on the pixels. The game alone keeps what a digit is rather than how it is drawn;
``--reconstruction 0.1`` adds a little of the error that it does without.

python examples/bigan_digits.py [--steps 4000] [--method bigan] [--reconstruction 0] [--picture
bigan_digits.png]
"""

import argparse

import torch
from sklearn.linear_model import LogisticRegression

import advlearn
from advlearn.data import load
from advlearn.plots import image_table

METHODS = {
    "bigan": "stochastic=False",
    "ali": "stochastic=True",
    "bigbigan": "stochastic=True, marginal_terms=True",
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=4000)
parser.add_argument("--method", default="bigan", choices=METHODS)
parser.add_argument("--reconstruction", type=float, default=0.0, help="weight of the squared error")
parser.add_argument("--objective", default="r3gan(weight=0.1)")
parser.add_argument("--picture", default="bigan_digits.png")
options = parser.parse_args()

digits = load("digits")
order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
train, test = order[:1500], order[1500:]
task = (
    f"representation({METHODS[options.method]}, latent=16, base_channels=32, "
    f"reconstruction={options.reconstruction})"
)
settings = {"steps": options.steps, "lr": 5e-4, "device": "cpu"}
run = advlearn.fit(task, options.objective, digits.x[train], **settings)

shown = digits.x[test[:8]]
between = run.ema_model.interpolate(shown, shown.roll(-1, 0), 8)
columns = torch.cat(
    [
        shown[:, None],
        run.ema_model.reconstruct(shown)[:, None],
        between[:, 1:-1],
        shown.roll(-1, 0)[:, None],
    ],
    1,
)
image_table(columns, options.picture, columns=["digit", "decoded", *[""] * 6, "next"])

for name, represent in (("pixels", lambda x: x.flatten(1)), ("codes", run.ema_model.encode)):
    model = LogisticRegression(max_iter=2000).fit(
        represent(digits.x[train]).numpy(), digits.y[train].numpy()
    )
    print(
        f"linear classifier on {name}: {model.score(represent(digits.x[test]).numpy(), digits.y[test].numpy()):.3f}"
    )
error = (run.ema_model.reconstruct(digits.x[test]) - digits.x[test]).square().mean()
print(
    f"squared error per pixel of the reconstructions: {error:.3f}; {', '.join(map(str, run.health().values()))}"
)
print(f"picture: {options.picture}")
