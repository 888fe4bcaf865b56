"""Plot the effect of each InfoGAN code on generated digits.

No label takes part in training; at the end the recogniser's class of each digit is compared with
the digit.

python examples/infogan_digits.py [--steps 4000] [--data digits] [--objective nsgan] [--picture
infogan_digits.png]
"""

import argparse

import torch

import advlearn
from advlearn.data import load
from advlearn.plots.image_table import image_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=4000)
parser.add_argument("--data", default="digits", help="digits, mnist, fashion-mnist")
parser.add_argument("--objective", default="nsgan")
parser.add_argument("--picture", default="infogan_digits.png")
options = parser.parse_args()

source = load(options.data)
task = "disentangle(codes=(10,), continuous=2)"
run = advlearn.fit(
    task, options.objective, source, steps=options.steps, lr=1e-3, device="cpu", callbacks=()
)

# Ten columns each: the ten classes of the discrete code, then each continuous code from -2 to 2.
torch.manual_seed(0)
reach = torch.linspace(-2, 2, 10)
blocks = [
    run.ema_model.traverse(0),
    run.ema_model.traverse(1, reach),
    run.ema_model.traverse(2, reach),
]
names = [f"{name} {row + 1}" for name in ("class", "first", "second") for row in range(5)]
image_table(torch.cat(blocks), options.picture, rows=names)

classes = run.ema_model.codes(source.x).discrete[0].argmax(1)
counts = torch.zeros(10, source.classes)
counts.index_put_((classes, source.y), torch.ones(len(source)), accumulate=True)
purity = float(counts.max(1).values.sum() / len(source))
known = run.ema_model.information()
print(
    f"information of the codes in nats, at most log 10 = 2.303 for the first: {[round(v, 2) for v in known.tolist()]}"
)
print(f"digits that share their code's commonest class: {purity:.1%}; {run.health()['data']}")
print(f"picture: {options.picture}")
