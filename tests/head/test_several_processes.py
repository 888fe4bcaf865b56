"""A head in a user's own loop in two processes equals one process on the joined batch."""

from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.objective import CriticOutput
from advlearn.testing._found import objectives
from advlearn.testing._material import critic, draw
from tests.head.spawned import Job, Results, attempt, in_two_processes, own_rows

SAMPLES, STEPS = 8, 2
OBJECTIVES: dict[str, CriticOutput] = {
    repr(o): o.critic_output for o in objectives() if o.trains_critic
}
PENALISED: dict[str, CriticOutput] = {
    f"hinge + {name}": "logit"
    for name in ("r1", "gradient_penalty", "feature_matching", "consistency", "spectral_norm")
}
VERBS = ("critic_loss", "reversed_loss", "accumulation", "update", "clip")
REPORTS = ("hinge + feature_matching", "mmd", "wgan-gp", "hinge + consistency", "ragan")


def adversary(spec: str, output: CriticOutput) -> Adversary:
    return Adversary(critic(output), spec, optimizer=lambda ps: torch.optim.SGD(ps, lr=0.01))


def batch(rank: int, world: int) -> tuple[Tensor, Tensor]:
    real, fake = (draw(SAMPLES, 2, seed=seed) for seed in (1, 2))
    return own_rows(real, rank, world), own_rows(fake + 0.5, rank, world)


def step(head: Adversary, verb: str, real: Tensor, fake: Tensor) -> None:
    if verb in ("update", "clip"):
        head.update(real, fake, clip=0.01 if verb == "clip" else None)
        return
    if verb == "accumulation":
        for r, f in ((real, fake), (real * 2, fake - 1)):
            (head.critic_loss(r, f) / 2).backward()
    elif verb == "critic_loss":
        head.critic_loss(real, fake).backward()
    else:
        head.reversed_loss(real, fake.requires_grad_()).backward()
    head.step()


def train(spec: str, output: CriticOutput, verb: str, rank: int, world: int) -> Results:
    torch.manual_seed(5)
    head = adversary(spec, output)
    real, fake = batch(rank, world)
    for _ in range(STEPS):
        step(head, verb, real.clone(), fake.clone())
    return {"norm": head.last_scores["gradient_norm"], **head.critic.state_dict()}


def seed_per_rank(rank: int, world: int) -> Results:
    torch.manual_seed(rank)
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    head = Adversary(network, "nsgan + spectral_norm", ema=0.9)
    before = next(network.parameters()).detach().clone()
    real, fake = batch(rank, world)
    head.update(real, fake)
    return {"before": before, **dict(head.state_dict())}


def empty_rank(spec: str, rank: int, world: int) -> Results:
    """Train with weights that are all zero in the second process."""
    torch.manual_seed(5)
    head = adversary(spec, "logit")
    real, fake = batch(rank, world)
    weights = own_rows(draw(SAMPLES, seed=3).exp() * (torch.arange(SAMPLES) < 4), rank, world)
    for _ in range(STEPS):
        head.update(real, fake, weights, weights)
    return dict(head.critic.state_dict())


def reports(spec: str, first: bool, rank: int, world: int) -> Results:
    """Ask for every report in the first process only, before or after the first step of all."""
    torch.manual_seed(5)
    head = adversary(spec, "vector" if spec == "mmd" else "logit")
    real, fake = batch(rank, world)
    if not first:
        head.update(real, fake)
    if rank == 0:
        weights = None if spec == "mmd" else torch.ones(len(real), dtype=real.dtype)
        with torch.no_grad():
            head.player_loss(real, fake, weights, weights)
        head.health()
        head.score(real)
        head.reward(fake, real)
        head.raise_if_not_finite()
        assert all(torch.isfinite(v) for v in head.last_losses.values())
    # Fails, or hangs, if a process still waits in an operation that the other never enters.
    total = torch.ones(())
    if world > 1:
        dist.all_reduce(total)
    head.update(real, fake)
    return {"total": total / world, **head.critic.state_dict()}


def jobs() -> dict[str, Job]:
    found: dict[str, Job] = {}
    games: dict[str, CriticOutput] = {**OBJECTIVES, **PENALISED}
    for spec, output in games.items():
        # `test_processes` in tests/conformance has `update` for every objective.
        for verb in VERBS if spec in PENALISED else VERBS[:3]:
            found[f"{spec} {verb}"] = partial(train, spec, output, verb)
    for spec in ("nsgan", "hinge + r1", "ragan", "lsgan"):
        found[f"empty rank {spec}"] = partial(empty_rank, spec)
    return found


JOBS = jobs()
REPORTED = {
    f"{spec} {'before' if first else 'after'} the first step": partial(reports, spec, first)
    for spec in REPORTS
    for first in (True, False)
}


@pytest.fixture(scope="module")
def parts() -> list[dict[str, Results | str]]:
    return in_two_processes({**JOBS, **REPORTED, "seed per rank": seed_per_rank})


@pytest.mark.parametrize("name", JOBS)
def test_two_processes_equal_one(name: str, parts: list[dict[str, Results | str]]) -> None:
    one = attempt(JOBS[name], 0, 1)
    assert isinstance(one, dict), one
    for results in parts:
        found = results[name]
        assert isinstance(found, dict), found
        scale = max(float(v.abs().max()) for v in one.values())
        for key, value in one.items():
            torch.testing.assert_close(found[key], value, rtol=0, atol=1e-9 * scale)


def test_a_seed_per_rank_gives_one_set_of_weights(
    parts: list[dict[str, Results | str]],
) -> None:
    first, second = (results["seed per rank"] for results in parts)
    assert isinstance(first, dict) and isinstance(second, dict), (first, second)
    assert not torch.equal(first.pop("before"), second.pop("before"))
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.mark.parametrize("name", REPORTED)
def test_reports_may_be_asked_for_in_one_process(
    name: str, parts: list[dict[str, Results | str]]
) -> None:
    first, second = (results[name] for results in parts)
    assert isinstance(first, dict) and isinstance(second, dict), (first, second)
    assert float(first["total"]) == 1
    assert all(torch.equal(first[key], second[key]) for key in first)
