"""Count the modes of Stacked MNIST, of 1,000, that a generator finds in ten CPU minutes.

An image is three MNIST training digits, drawn with replacement and stacked as its colour channels;
its mode is the three digits, one of 1,000, all equally likely up to the digits' shares. Triples are
drawn on the fly, batch 64.

A row is one training run. The generator is DCGAN's, width 64 and latent 64, and the critic is
DCGAN's without norm, width 32. The systems are:

- dcgan: the non-saturating loss, without additions.
- minibatch: minibatch discrimination (50 comparisons of 5 numbers) before the critic's last layer.
- packed: the critic scores pairs (PacGAN, m = 2).
- wgan-gp, r3gan, mmd-gan: the objective, with the settings of its name except for the learning rate
  and the critic steps.
- r3gan-resnet: r3gan on R3GAN's residual networks, width 16, without any normalisation; with
  `--device cuda` only, since a CPU core needs two seconds a step.

The learning rate is 1e-3 for all, as in `images.py`, and every critic makes one step for each step
of the generator. The budget of a row is 600 s of CPU time of the training process on one thread
(`--seconds`); wgan-gp also has rows of twice that. With `--device cuda` a row has 20,000 generator
steps.

Each row measures 26,000 samples of the generator's moving average (the protocol of PacGAN, section
4.2): a convolutional classifier of single digits, trained on the MNIST training images and tested
on the test images, labels each channel. `modes` counts the triples that occur, and `kl` is the
reverse Kullback-Leibler divergence of their shares from 1 / 1,000 each; 26,000 samples of the
uniform law have about 0.019. The classifier labels every image, so `sure` is the share of the
digits to which it gives a probability above 0.9. The rows named `real` are 26,000 triples of test
digits; `judge` is the classifier's accuracy on the single test digits. Published: DCGAN 99 modes
and KL 3.40, PacGAN (m = 2) 1,000 and 0.06, R3GAN's small ResNet 1,000 and 0.078.

The bars are for the best system: the one whose worst seed has the smallest KL at a budget. Widths
and critic steps were chosen for wgan-gp on seed 10, which no row uses: they reached a KL of 0.15 in
300 s and 0.09 in 600 s. With width 16 of both networks and wgan-gp's five critic steps, seeds 0 and
1 reached 0.27 and 0.26 in 300 s. A rate that decays to zero reached 0.18 in 600 s on seed 11. The
full table for all systems and the other attempts, copied from the output of the runs, are in
`results/stacked_mnist_tried.json`.
"""

from functools import cache, partial
from typing import Any, Self, cast

import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from images import Budget, Watch, classifier, parts
from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.core.finite import NonFiniteError
from advlearn.core.grammar import resolve
from advlearn.core.trainer import Trainer
from advlearn.metrics import class_report, features
from advlearn.nets import DCGANCritic, DCGANGenerator, MinibatchDiscrimination, find_architecture
from advlearn.nets.adapters.pac_critic import PacCritic
from advlearn.nets.sizing import EMBEDDED
from advlearn.tasks.generate import Generate
from advlearn.training.ema import EMA
from advlearn.training.rng import isolated
from advlearn.training.samples import save_image_grid

SHAPE, LATENT, BATCH, LR, CRITIC_STEPS = (3, 28, 28), 64, 64, 1e-3, 1
# Widths of the generator, of its critic, and of both residual networks.
WIDTH, CRITIC_WIDTH, RESIDUAL_WIDTH = 64, 32, 16
SECONDS, GPU_STEPS, SAMPLES, SEEDS = 600.0, 20_000, 26_000, 2
FEATURES = 128
# Name of a system to its objective.
SYSTEMS = {
    "dcgan": "nsgan",
    "minibatch": "nsgan",
    "packed": "nsgan",
    "wgan-gp": "wgan-gp",
    "r3gan": "r3gan",
    "r3gan-resnet": "r3gan",
    "mmd-gan": "mmd-gan",
}
GPU_ONLY = "r3gan-resnet"
LONGER = "wgan-gp"
COLUMNS = [
    "system",
    "seed",
    "device",
    "seconds",
    "steps",
    "cpu_seconds",
    "modes",
    "kl",
    "sure",
    "judge",
    "health",
]


class Triples:
    """Yield stacked digits without end, drawn by a separate random generator.

    Args:
        digits: Images (N, 1, 28, 28).
        seed: Seed of the draws.
        device: Device of the batches.
    """

    def __init__(self, digits: Tensor, seed: int, device: str = "cpu") -> None:
        self.digits = digits[:, 0].to(device)
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        return (self.draw(BATCH),)

    def draw(self, n: int) -> Tensor:
        """Return stacked digits (n, 3, 28, 28)."""
        chosen = torch.randint(len(self.digits), (n, 3), generator=self.generator)
        return self.digits[chosen.to(self.digits.device)]

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"])


def networks(system: str) -> tuple[nn.Module, nn.Module]:
    """Return the generator and the critic of a system."""
    if system == GPU_ONLY:
        architecture = find_architecture("r3gan", SHAPE)
        return architecture.generator(
            LATENT, SHAPE, base_channels=RESIDUAL_WIDTH
        ), architecture.critic(SHAPE, base_channels=RESIDUAL_WIDTH)
    generator = DCGANGenerator(LATENT, SHAPE, WIDTH)
    if system == "minibatch":
        last = MinibatchDiscrimination(FEATURES, outputs=50, dimensions=5)
        head = nn.Linear(FEATURES + last.outputs, 1)
        return generator, nn.Sequential(
            DCGANCritic(SHAPE, FEATURES, CRITIC_WIDTH), nn.LeakyReLU(0.2), last, head
        )
    if system == "packed":
        return generator, PacCritic(DCGANCritic((2 * SHAPE[0], *SHAPE[1:]), 1, CRITIC_WIDTH), 2)
    return generator, DCGANCritic(SHAPE, EMBEDDED if system == "mmd-gan" else 1, CRITIC_WIDTH)


@cache
def judge(quick: bool) -> tuple[nn.Module, float]:
    """Return the classifier of single digits, and its accuracy on the test images."""
    return classifier("mnist", quick)


def figures(images: Tensor, quick: bool) -> Row:
    """Return modes, divergence and the classifier's confidence of stacked digits (N, 3, 28, 28)."""
    if not images.isfinite().all():
        return {"modes": 0, "kl": float("inf"), "sure": 0.0}
    probabilities = features(judge(quick)[0], images.flatten(0, 1)[:, None]).softmax(1)
    sure, digit = probabilities.max(1)
    report = class_report(digit.view(-1, 3) @ torch.tensor([100, 10, 1]), 1000)
    return {
        "modes": report.modes,
        "kl": report.reverse_kl,
        "sure": float((sure > 0.9).double().mean()),
    }


def train(system: str, seed: int, device: str, seconds: float, quick: bool) -> Row:
    """Return one row: train within the budget, draw samples and count their modes."""
    train, test = parts("mnist", quick)
    count = 100 if quick else SAMPLES
    key: Row = {
        "system": system,
        "seed": seed,
        "device": device,
        "seconds": seconds,
        "judge": judge(quick)[1],
    }
    if system == "real":
        return {
            **key,
            "steps": 0,
            "cpu_seconds": 0.0,
            **figures(Triples(test.x, seed).draw(count), quick),
            "health": "",
        }
    chain = resolve(SYSTEMS[system])
    with isolated(seed):
        generator, critic = networks(system)
        task = Generate(generator, latent=LATENT, shape=SHAPE).to(device)
        adversary = Adversary(critic.to(device), chain, lr=LR, critic_steps=CRITIC_STEPS)
        average = EMA(cast(float, adversary.defaults.ema))
        watch, steps = (Budget(seconds), 10**6) if device == "cpu" else (Watch(), GPU_STEPS)
        stream, callbacks = Triples(train.x, seed, device), [average, watch]
        trainer = Trainer(
            task,
            {"data": adversary},
            stream,
            steps=3 if quick else steps,
            lr=LR,
            callbacks=callbacks,
        )
        done = {**key, "spec": repr(chain)}
        try:
            trainer.run()
        except NonFiniteError as error:
            return {**done, "modes": 0, "kl": float("inf"), "health": str(error)}
        samples = torch.cat(
            [cast(Generate, average.module).sample(100).cpu() for _ in range(count // 100)]
        )
    if not quick and seed == 0:
        save_image_grid(samples[:64], RESULTS / "stacked_mnist" / f"{system}-{device}.png")
    done |= {"steps": trainer.step, "cpu_seconds": round(watch.spent, 1)}
    return {**done, **figures(samples, quick), "health": adversary.health().verdict}


def bars(result: Result) -> None:
    """Return the required bars: for the classifier, and for the best system on all of its seeds."""
    judged = [row["judge"] for row in result.rows if "judge" in row]
    if judged:
        result.bar("judge: accuracy on single digits", min(judged), ">=", 0.98)
    groups: dict[tuple[str, str, float], list[Row]] = {}
    for row in result.rows:
        if row["system"] in SYSTEMS:
            groups.setdefault((row["system"], row["device"], row["seconds"]), []).append(row)
    whole = {key: rows for key, rows in groups.items() if len(rows) >= SEEDS}
    if not whole:
        return
    (system, device, seconds), best = min(
        whole.items(), key=lambda item: max(r["kl"] for r in item[1])
    )
    modes, kl = min(r["modes"] for r in best), max(r["kl"] for r in best)
    budget = f"{seconds:g} s on a core" if device == "cpu" else f"{GPU_STEPS} steps on {device}"
    name = f"{system}, {budget}, worst of {len(best)} seeds"
    result.bar(f"modes of 1,000: best system, {name}", modes, ">=", 990)
    result.bar(f"KL to uniform: best system, {name}", kl, "<=", 0.1)
    result.bar(f"stretch, modes of 1,000: best system, {name}", modes, ">=", 1000)
    result.bar(f"stretch, KL to uniform: best system, {name}", kl, "<=", 0.078)


def main() -> None:
    """Train and measure the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="*", help="systems")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of each system")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="CPU time of a row")
    options = parser.parse_args()
    one_thread()
    fitting = ["real", *(name for name in SYSTEMS if options.device == "cuda" or name != GPU_ONLY)]
    result = Result("stacked_mnist", quick=options.quick)
    shared = {"device": options.device, "seconds": options.seconds}
    todo: list[dict[str, Any]] = [
        {"system": system, "seed": seed, **shared}
        for seed in range(1 if options.quick else options.seeds)
        for system in options.only or fitting
    ]
    if options.device == "cpu" and not options.only and not options.quick:
        longer = {"device": options.device, "seconds": 2 * options.seconds}
        todo += [{"system": LONGER, "seed": seed, **longer} for seed in range(options.seeds)]
    compute(
        result, partial(train, quick=options.quick), [] if options.report else todo, options.jobs
    )
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
