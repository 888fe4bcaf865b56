"""Compare the codes of an adversarial and a variational autoencoder with their prior.

With ``--prior mixture --labels`` the codes of each class are matched to one component of the prior.
The variational autoencoder keeps its Gaussian prior, for which its KL divergence is in closed form.

python examples/adversarial_autoencoder.py [--steps 3000] [--prior gaussian]
    [--picture adversarial_autoencoder.png]
"""

import argparse

import torch
from matplotlib.figure import Figure

import advlearn
from advlearn.data import load
from advlearn.metrics.posterior import posterior_report

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3000)
parser.add_argument(
    "--prior",
    default="gaussian",
    help="prior of the adversarial autoencoder: gaussian, ring or mixture",
)
parser.add_argument(
    "--labels", action="store_true", help="match each class to one component of the mixture"
)
parser.add_argument("--objective", default="nsgan", help="objective of the adversarial autoencoder")
parser.add_argument("--picture", default="adversarial_autoencoder.png")
options = parser.parse_args()

digits = load("digits")
settings = {"steps": options.steps, "lr": 1e-3, "device": "cpu", "callbacks": ()}
adversarial = f"aae(latent=2, base_channels=32, prior={options.prior!r}, labels={options.labels})"
runs = {
    "adversarial": advlearn.fit(adversarial, options.objective, digits, **settings),
    "variational": advlearn.fit("vae(latent=2, base_channels=32)", data=digits, **settings),
}

torch.manual_seed(0)
figure = Figure(figsize=(9, 4.6), layout="constrained")
for index, (name, run) in enumerate(runs.items()):
    codes = run.ema_model.draw_codes(digits.x)
    prior_samples = run.ema_model.law.draw(len(digits), digits.x)
    report = posterior_report(codes, prior_samples)
    error = (run.ema_model.reconstruct(digits.x) - digits.x).square().mean()
    print(
        f"{name}: squared MMD to the prior {report.mmd:.4f}, holes {report.holes:.3f}, "
        f"strays {report.strays:.3f}, squared error per pixel {error:.3f}"
    )
    axes = figure.add_subplot(1, 2, index + 1)
    axes.scatter(*prior_samples.T, s=5, linewidths=0, color="0.85")
    points = axes.scatter(
        *codes.T, s=5, linewidths=0, c=digits.y, cmap="tab10", vmin=-0.5, vmax=9.5
    )
    axes.set_title(f"{name}: codes by class, prior in grey", fontsize=10)
    axes.set_aspect("equal")
figure.colorbar(points, ticks=range(10), shrink=0.7)
figure.savefig(options.picture, dpi=100)
print(f"picture: {options.picture}")
