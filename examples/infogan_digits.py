"""Plot the effect of each InfoGAN code on generated digits.

Training uses no labels. At the end, the class that the Q network predicts for each digit is
compared with the digit's label.

python examples/infogan_digits.py [--steps 4000] [--data digits] [--objective nsgan]
    [--picture infogan_digits.png]
"""

import argparse

import torch

import advlearn
from advlearn.data import load
from advlearn.plots.image_table import image_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=4000)
parser.add_argument("--data", default="digits", help="digits, mnist or fashion-mnist")
parser.add_argument("--objective", default="nsgan")
parser.add_argument("--picture", default="infogan_digits.png")
options = parser.parse_args()

source = load(options.data)
task = "disentangle(codes=(10,), continuous=2)"
run = advlearn.fit(
    task, options.objective, source, steps=options.steps, lr=1e-3, device="cpu", callbacks=()
)

# Ten columns: the ten values of the discrete code, then each continuous code from -2 to 2.
torch.manual_seed(0)
values = torch.linspace(-2, 2, 10)
blocks = [
    run.ema_model.traverse(0),
    run.ema_model.traverse(1, values),
    run.ema_model.traverse(2, values),
]
names = [f"{name} {row + 1}" for name in ("class", "first", "second") for row in range(5)]
image_table(torch.cat(blocks), options.picture, rows=names)

classes = run.ema_model.codes(source.x).discrete[0].argmax(1)
counts = torch.zeros(10, source.classes)
counts.index_put_((classes, source.y), torch.ones(len(source)), accumulate=True)
purity = float(counts.max(1).values.sum() / len(source))
nats = run.ema_model.information()
print(f"mutual information of the codes in nats: {[round(v, 2) for v in nats.tolist()]}")
print("(the first code has at most log 10 = 2.303)")
print(f"digits of the most common class of their code: {purity:.1%}; {run.health()['data']}")
print(f"picture: {options.picture}")
