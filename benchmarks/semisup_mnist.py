"""Compare the K+1 classifier with feature matching and the same classifier on its labels only.

The networks for MNIST are those of Salimans et al. 2016: a classifier of five dense layers (1000,
500, 250, 250, 250) with weight normalisation and Gaussian noise before each, and a generator of two
hidden layers of 500 with batch norm. Training uses Adam at 3e-3 (first moment 0.5) with a linear
decay to zero, batches of 100 labelled, 100 unlabelled and 100 generated images, and the moving
average of the classifier. Labels are drawn evenly over the classes, with another draw for each
seed. Nothing was chosen by the test images; the last average is tested.

With `--device cuda` training has the paper's 300 epochs (180,000 steps), and 100 labels have the
paper's ten draws; on a CPU, `--steps` and three draws. `confused` counts the errors of the pair of
classes with the most, true class first: it tells a draw that mixes up two classes from one that is
wrong everywhere.
"""

import time
from functools import partial
from typing import Any

import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.parametrizations import weight_norm

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.optim import adam
from advlearn.core.trainer import Trainer
from advlearn.critics import build as build_critics
from advlearn.data import Batches, SemiSupervisedDataset, batches, load, open_semi_supervised
from advlearn.metrics import accuracy
from advlearn.nets import GaussianNoise, data_dependent_init
from advlearn.tasks.semi_supervised import SemiSupervised
from advlearn.training.ema import EMA
from advlearn.training.rng import isolated

LABELS, DRAWS, DRAWS_GPU = (100, 20, 50, 200), range(3), range(10)
HIDDEN, LATENT, BATCH, LR = (1000, 500, 250, 250, 250), 100, 100, 3e-3
STEPS_GPU, STEPS_CPU = 180_000, 12_000
COLUMNS = ["labels", "method", "draw", "errors", "confused", "steps", "device", "seconds", "health"]


def classifier() -> nn.Sequential:
    """Return the paper's classifier of flattened images."""
    # The paper's noise is 0.3 for images in [0, 1].
    layers: list[nn.Module] = [nn.Flatten(), GaussianNoise(0.6)]
    before = 784
    for width in HIDDEN:
        layers += [direction(before, width), nn.ReLU(), GaussianNoise(0.5)]
        before = width
    return nn.Sequential(*layers, direction(before, 10))


def direction(before: int, after: int) -> nn.Linear:
    """Return a weight-normalised layer, drawn as in the paper's code.

    A shorter v changes direction faster at the same rate of Adam.
    """
    layer = nn.Linear(before, after)
    nn.init.normal_(layer.weight, std=0.1)
    return weight_norm(layer)


def begin(net: nn.Sequential, images: torch.Tensor) -> None:
    """Initialise by images, and freeze the scales of the hidden layers, as in the paper's code."""
    data_dependent_init(net, images)
    for layer in list(net)[:-1]:
        if isinstance(layer, nn.Linear):
            layer.parametrizations.weight.original0.requires_grad_(False)  # type: ignore[union-attr]


def generator() -> nn.Sequential:
    """Return the paper's generator, for images in [-1, 1]."""
    hidden = [nn.Linear(LATENT, 500), nn.BatchNorm1d(500), nn.Softplus()]
    hidden += [nn.Linear(500, 500), nn.BatchNorm1d(500), nn.Softplus()]
    return nn.Sequential(
        *hidden, weight_norm(nn.Linear(500, 784)), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))
    )


def with_generator(
    data: SemiSupervisedDataset, seed: int, steps: int, device: str
) -> tuple[Any, str]:
    """Return the averaged task after adversarial training, and the adversary's verdict."""
    with isolated(seed):
        task = SemiSupervised(generator(), classifier(), latent=LATENT, shape=(1, 28, 28)).to(
            device
        )
        begin(task.classifier, data.unlabelled.x[:500].to(device))
        chain = task.adapt_objective(resolve("improved-gan"))
        adversary = Adversary(build_critics(task, chain)["data"], chain, lr=LR)
        stream = batches(data, BATCH, seed=seed, device=device)
        average = EMA(0.9999 if steps > 50_000 else 0.999)
        trainer = Trainer(
            task,
            {"data": adversary},
            stream,
            steps=steps,
            lr=LR,
            schedule="linear",
            callbacks=[average],
        )
        trainer.run()
        return average.module, adversary.health().verdict


def train_supervised(data: SemiSupervisedDataset, seed: int, steps: int, device: str) -> nn.Module:
    """Train the classifier on the labelled images only, for a tenth of the steps.

    The rate decays to zero here too. With a constant rate, Adam's steps grow after many tiny
    gradients, and one baseline lost its accuracy in its last steps.
    """
    few: Any = data.labelled
    steps = max(1, steps // 10)
    with isolated(seed):
        net = classifier().to(device)
        begin(net, data.unlabelled.x[:500].to(device))
        optimizer = adam(list(net.parameters()), lr=LR / 3, betas=(0.5, 0.999))
        stream = Batches(few, min(BATCH, len(few)), seed=seed, device=device)
        falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for _ in range(steps):
            x, y = next(stream)
            optimizer.zero_grad()
            cross_entropy(net(x), y).backward()
            optimizer.step()
            falling.step()
        return net.eval()


def train(labels: int, method: str, draw: int, steps: int, device: str, quick: bool) -> Row:
    """Return one row."""
    data, test = open_semi_supervised(f"mnist:{labels}", seed=draw), load("mnist-test")
    images: torch.Tensor = test.x[:50] if quick else test.x  # type: ignore[union-attr]
    truth: torch.Tensor = test.y[:50] if quick else test.y  # type: ignore[union-attr,index]
    start = time.perf_counter()
    if method == "labels alone":
        net, verdict = train_supervised(data, draw, steps, device), ""
        with torch.no_grad():
            logits = net(images.to(device))
    else:
        task, verdict = with_generator(data, draw, steps, device)
        logits = task.predict(images)
    logits = logits.cpu()
    errors = round((1 - accuracy(logits, truth)) * len(truth))
    return {
        "labels": labels, "method": method, "draw": draw, "errors": errors,
        "confused": most_confused(logits.argmax(1), truth), "steps": steps, "device": device,
        "seconds": round(time.perf_counter() - start, 1), "health": verdict,
    }  # fmt: skip


def most_confused(found: torch.Tensor, truth: torch.Tensor) -> str:
    """Return the pair of classes with the most errors, such as "4 as 9: 12".

    Example:
        >>> most_confused(torch.tensor([1, 1, 2]), torch.tensor([1, 2, 2]))
        '2 as 1: 1'
    """
    counts = torch.bincount(10 * truth + found, minlength=100).reshape(10, 10)
    counts.fill_diagonal_(0)
    true, taken = divmod(int(counts.argmax()), 10)
    return f"{true} as {taken}: {int(counts.max())}"


def main() -> None:
    """Compute the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--steps",
        type=int,
        default=None,
        help="learner steps; default 180,000 on a GPU, 12,000 otherwise",
    )
    parser.add_argument("--labels", type=int, nargs="*", default=LABELS)
    parser.add_argument("--draws", type=int, nargs="*", default=None)
    options = parser.parse_args()
    one_thread()
    result = Result("semisup_mnist", quick=options.quick)
    on_cpu = options.device == "cpu"
    steps = 3 if options.quick else options.steps or (STEPS_CPU if on_cpu else STEPS_GPU)

    def draws(labels: int) -> list[int]:
        every = DRAWS if on_cpu or labels != LABELS[0] else DRAWS_GPU
        return list(every if options.draws is None else options.draws)

    todo: list[dict[str, Any]] = [
        {"labels": labels, "method": method, "draw": draw, "steps": steps, "device": options.device}
        for labels in (LABELS[:1] if options.quick else options.labels)
        for draw in (DRAWS[:1] if options.quick else draws(labels))
        for method in ("labels alone", "improved-gan")
    ]
    compute(
        result, partial(train, quick=options.quick), [] if options.report else todo, options.jobs
    )
    set_bars(result)
    result.save()
    if not options.quick:
        picture(result)
    result.show(COLUMNS)


def set_bars(result: Result) -> None:
    """Compare the rows of 100 labels with the paper, for each device and number of steps."""
    adversarial = [
        r for r in result.rows if r["labels"] == LABELS[0] and r["method"] == "improved-gan"
    ]
    for device, steps in sorted({(r["device"], r["steps"]) for r in adversarial}):
        rows = [r for r in adversarial if (r["device"], r["steps"]) == (device, steps)]
        errors = [r["errors"] for r in rows]
        case = f"{len(rows)} draws, {steps} steps, {device}"
        name = "errors of 10,000 with 100 labels"
        result.bar(f"{name}, mean of {case}", sum(errors) / len(errors), "<=", 93)
        result.bar(f"{name}, worst of {case}", max(errors), "<=", 150)
        if device != "cpu":
            longest = max(r["seconds"] for r in rows)
            result.bar(f"seconds of a draw, longest of {case}", longest, "<=", 240)


def picture(result: Result) -> None:
    """Plot errors against labels, with a point for each draw."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    for method, steps in dict.fromkeys((r["method"], r["steps"]) for r in result.rows):
        rows = [r for r in result.rows if (r["method"], r["steps"]) == (method, steps)]
        axes.plot(
            [r["labels"] for r in rows],
            [r["errors"] for r in rows],
            "o",
            label=f"{method}, {steps:,} steps",
            alpha=0.7,
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="labels",
        ylabel="errors of 10,000",
        title="MNIST, every draw",
    )
    axes.set_xticks(sorted(LABELS), map(str, sorted(LABELS)))
    axes.minorticks_off()
    ticks = [100, 300, 500, 1000, 2000, 5000]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "semisup_mnist.png", dpi=90)


if __name__ == "__main__":
    main()
