"""Measure what an adversary adds to the reconstructions of small autoencoders of Fashion-MNIST.

A row is one training run of one seed, without its adversary or with it: the same first weights,
batches, optimizer (Adam at LR) and number of steps. `kl` has a Gaussian latent of 2 x 7 x 7, `vq`
one of 7 x 7 codes out of 64. The task loss is the mean absolute difference (L1) of levels from -1
to 1, plus the KL term, or the codebook's and the commitment term. The adversary is a PatchGAN
critic of 16-pixel patches, hinge loss and spectral norm; its weight is WEIGHT, and it starts at
step START. All figures are of the moving average of the model's weights, with decay EMA, in both
ways.

The settings were chosen on seed 100; the rows are of seeds 0 to 4. On that seed a weight of 0.05
gave 0.45 of the Frechet distance and 1.04 of L1 for `kl`, 0.47 and 1.05 for `vq`; 0.08 gave 0.41
and 1.07, 0.43 and 1.08. No better trade of the two was found with patches of 7 or 34 pixels,
feature matching in pairs (weights 10, 20 and 50), critic rates of 2e-3 and 3e-3, a start at step
100, 300 or 400, 256 codes, or a rate that falls to zero. `vq` whose adversary moves only the
decoder had 1.3 times the L1, and `kl` with "adaptive" 1.5 times.

`frechet` compares the reconstructions of the 10,000 test images with these images, in the features
before the last layer of a small classifier (see `images.py`), so 0 is perfect. `l1` is of the same
images. `l1 before` is of 500 of them at the last report before START, `l1 after` the largest of the
reports after it, one every 50 steps.

A row of `fault` trains the `kl` model with its adversary from the first step on, for FAULT_STEPS
steps, with one fault in the loop. `verdict` is the health report at the end, or the error that
refused the loop; `named` is whether it begins with the words expected in FAULTS. `none` is the same
loop without a fault.
"""

import time
from functools import partial
from typing import Any

import torch
from autoencoder_nets import Autoencoder, reconstructed
from harness import Result, Row, arguments, compute, one_thread
from images import classifier, parts
from torch import Tensor
from torch.nn.functional import l1_loss
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from advlearn import Adversary
from advlearn.data import Batches
from advlearn.metrics import features, frechet_distance
from advlearn.nets import PatchGANCritic
from advlearn.training.rng import isolated

DATA, SEEDS, MODELS, WAYS = "fashion-mnist", (0, 1, 2, 3, 4), ("kl", "vq"), ("without", "with")
STEPS, START, EVERY, BATCH, LR, EMA, FAULT_STEPS = 1000, 200, 50, 16, 1e-3, 0.98, 100
WEIGHT = {"kl": 0.045, "vq": 0.042}
# The words with which a report, or an error, names a fault.
FAULTS = {
    "none": ("in balance", "critic winning"),
    "critic never stepped": "critic still",
    "task loss without gradient": "task_loss: expected a loss that carries a gradient",
    "sides exchanged": "critic inverted",
    "detached samples": "fake: expected samples that carry a gradient",
    "frozen model": "fake: expected samples that carry a gradient",
}
COLUMNS = ["model", "way", "seed", "l1", "frechet", "l1 before", "l1 after", "cpu_seconds"]
COLUMNS += ["fault", "named", "verdict"]


def setting(model: Any, start: int, device: str) -> tuple[Autoencoder, Adversary]:
    """Return a model and its adversary."""
    net = Autoencoder(model).to(device)
    critic = PatchGANCritic((1, 28, 28), base_channels=16, halvings=1, norm="none")
    adversary = Adversary(
        critic.to(device),
        "hinge + spectral_norm",
        lr=1e-3,
        adversarial_weight=WEIGHT[model],
        start=start,
    )
    return net, adversary


def optimizer_of(net: Autoencoder) -> torch.optim.Optimizer:
    """Return the optimizer of both ways."""
    return torch.optim.Adam(net.parameters(), LR, betas=(0.5, 0.9))


def train(model: str, way: str, seed: int, device: str, quick: bool) -> Row:
    """Return one row: train, and measure the reconstructions of the test images."""
    source, test = parts(DATA, quick)
    few = test.x[:500].to(device)
    steps, start, every = (4, 2, 2) if quick else (STEPS, START, EVERY)
    began, course = time.process_time(), dict[int, float]()
    with isolated(seed):
        net, adversary = setting(model, start, device)
        optimizer = optimizer_of(net)
        stream = Batches(source, 4 if quick else BATCH, seed=seed, device=device)
        net.start_codes(next(stream)[0])
        average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(EMA))
        for step in range(1, steps + 1):
            x = next(stream)[0]
            y, term = net(x)
            loss = l1_loss(y, x) + term
            if way == "with":
                adversary.update(x, y)
                loss = loss + adversary.player_loss(x, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average.update_parameters(net)
            if step % every == 0:
                course[step] = float(l1_loss(reconstructed(average, few), few))
        spent = time.process_time() - began
        images = reconstructed(average.cpu(), test.x)
    row = {"model": model, "way": way, "seed": seed, "device": device, "steps": steps}
    row |= {"weight": WEIGHT[model] if way == "with" else 0.0}
    row |= {"l1": float(l1_loss(images, test.x)), "frechet": distance(images, test.x, quick)}
    row |= {
        "l1 before": course[start],
        "l1 after": max(value for step, value in course.items() if step > start),
        "cpu_seconds": round(spent, 1),
    }
    return row if way == "without" else {**row, "health": adversary.health().verdict}


def distance(images: Tensor, truth: Tensor, quick: bool) -> float:
    """Return the Frechet distance in the features of the classifier."""
    judge, _ = classifier(DATA, quick)
    real, fake = (features(judge[:-1], x) for x in (truth, images))
    return float(frechet_distance(real, fake))


def plant(fault: str, quick: bool) -> Row:
    """Return the row of one fault: what the loop with this fault reports or is refused for."""
    source, _ = parts(DATA, quick)
    with isolated(0):
        net, adversary = setting("kl", 0, "cpu")
        net.requires_grad_(fault != "frozen model")
        optimizer, stream = optimizer_of(net), Batches(source, 4 if quick else BATCH)
        step, verdict = 0, ""
        # One report at the start, which the last one is compared with.
        last = 3 if quick else FAULT_STEPS
        for step in range(last + 1):
            try:
                gradient = faulty_step(fault, net, adversary, optimizer, next(stream)[0])
            except ValueError as error:
                verdict = str(error)
                break
            if step in (0, last):
                verdict = adversary.health(gradient).verdict
    row: Row = {"fault": fault, "steps": step, "verdict": verdict}
    return {**row, "named": verdict.startswith(FAULTS[fault])}


def faulty_step(
    fault: str,
    net: Autoencoder,
    adversary: Adversary,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
) -> Tensor:
    """Make one step with a fault; return the norm of the task gradient at the reconstructions."""
    y, term = net(x)
    with torch.set_grad_enabled(fault != "task loss without gradient"):
        task = l1_loss(y, x) + term
    gradient = torch.zeros(())
    if task.requires_grad:
        gradient = torch.autograd.grad(task, y, retain_graph=True)[0].norm()
    adversary.critic_loss(x, y).backward()
    if fault != "critic never stepped":
        adversary.step()
    fake = y.detach() if fault == "detached samples" else y
    real, fake = (fake, x) if fault == "sides exchanged" else (x, fake)
    loss = task + adversary.player_loss(real, fake, task_loss=task)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return gradient


def row(quick: bool, fault: str = "", **key: Any) -> Row:
    """Return one row of either kind."""
    return plant(fault, quick) if fault else train(**key, quick=quick)


def bars(result: Result) -> None:
    """Add the required bars of the models, and those of the faults."""
    for device in sorted({r["device"] for r in result.rows if "model" in r}):
        bars_of_models(result, [r for r in result.rows if r.get("device") == device])
    named = {r["fault"]: r["named"] for r in result.rows if "fault" in r}
    if named:
        result.bar("loop without a fault: reported without a fault", named.pop("none", 0), "==", 1)
        result.bar("faults named, of 5", sum(named.values()), ">=", len(FAULTS) - 1)


def bars_of_models(result: Result, rows: list[Row]) -> None:
    """Add the bars of one device."""
    by = {(r["model"], r["way"], r["seed"]): r for r in rows}
    for model in MODELS:
        seeds = [s for s in SEEDS if all((model, way, s) in by for way in WAYS)]
        if not seeds:
            continue
        both = [[by[model, way, s] for way in WAYS] for s in seeds]
        named = f"of {len(seeds)} seeds, {by[model, 'with', seeds[0]]['device']}"
        gain = max(b["frechet"] / a["frechet"] for a, b in both)
        loss = max(b["l1"] / a["l1"] for a, b in both)
        after = max(b["l1 after"] / b["l1 before"] for _, b in both)
        result.bar(f"{model}: Frechet distance with over without, largest {named}", gain, "<=", 0.5)
        result.bar(f"{model}: L1 with over without, largest {named}", loss, "<=", 1.05)
        result.bar(f"{model}: L1 after the start over before, largest {named}", after, "<=", 1.5)


def main() -> None:
    """Train and measure the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="*", default=["faults", *MODELS], help="faults, kl, vq")
    options = parser.parse_args()
    one_thread()
    result = Result("autoencoder", quick=options.quick)
    todo: list[Row] = []
    if "faults" in options.only:
        todo += [{"fault": fault} for fault in FAULTS]
    todo += [
        {"model": model, "way": way, "seed": seed, "device": options.device}
        for seed in (SEEDS[:1] if options.quick else SEEDS)
        for model in MODELS
        if model in options.only
        for way in WAYS
    ]
    compute(result, partial(row, quick=options.quick), [] if options.report else todo, options.jobs)
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
