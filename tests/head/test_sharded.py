"""A critic sharded by FSDP2 over two processes equals one process on the joined batch."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core import distributed
from advlearn.core.objective import CriticOutput
from advlearn.regularizers import SpectralNorm
from advlearn.testing._found import objectives
from advlearn.testing._material import critic, draw
from tests.head.spawned import Job, Results, attempt, in_two_processes, own_rows

SAMPLES, STEPS = 8, 3
# FSDP2 does not shard a scalar, the only weight of the critic of densities.
OBJECTIVES: dict[str, CriticOutput] = {
    repr(o): o.critic_output
    for o in objectives()
    if o.trains_critic and o.critic_output != "density"
}
PENALTIES = (
    "r1",
    "r2",
    "r1 + r2",
    "gradient_penalty",
    "consistency",
    "feature_matching",
    "weight_clipping",
    "orthogonal_regularization",
    "historical_averaging",
    "instance_noise",
    "label_smoothing",
    "image_pool",
    "low_density",
)
ALIASES = ("r3gan", "dragan", "wgan-gp")


# The fork server has imported FSDP; this process, which collects the tests, does not need it.
def sharded(network: nn.Module, world: int, layers: bool = True) -> nn.Module:
    if world > 1:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (world,))
        for layer in network.modules() if layers else ():
            if isinstance(layer, nn.Linear):
                fully_shard(layer, mesh=mesh)
        fully_shard(network, mesh=mesh)
    return network


def batch(rank: int, world: int) -> tuple[Tensor, Tensor]:
    real, fake = (draw(SAMPLES, 2, seed=seed) for seed in (1, 2))
    return own_rows(real, rank, world), own_rows(fake + 0.5, rank, world)


def weights_of(head: Adversary) -> Results:
    return {n: distributed.whole(v).detach() for n, v in head.critic.state_dict().items()}


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05)


def train(spec: str, output: CriticOutput, rank: int, world: int) -> Results:
    torch.manual_seed(5)
    head = Adversary(sharded(critic(output), world), spec, optimizer=sgd)
    real, fake = batch(rank, world)
    losses = [head.update(real, fake) for _ in range(STEPS)]
    moved = fake.clone().requires_grad_()
    head.player_loss(real, moved).backward()
    assert all(p.grad is None and p.requires_grad for p in head.critic.parameters())
    assert moved.grad is not None
    figures = {
        "loss": distributed.mean(losses[-1]),
        "norm": head.last_scores["gradient_norm"],
        # Each process has the gradient of the mean over its own samples.
        "fake": distributed.gather(moved.grad) / world,
    }
    return {**figures, **weights_of(head)}


def normed(spec: str, rank: int, world: int) -> Results:
    """Normalise before sharding; the string then finds the layers normalised."""
    torch.manual_seed(5)
    network = sharded(SpectralNorm().wrap(critic()), world)
    head = Adversary(network, spec, optimizer=sgd)
    for _ in range(STEPS):
        head.update(*batch(rank, world))
    return weights_of(head)


def orders(spec: str, layers: bool, rank: int, world: int) -> Results:
    """Use the verbs in an order that leaves weights gathered between them."""
    torch.manual_seed(5)
    head = Adversary(sharded(critic(), world, layers), spec)
    real, fake = batch(rank, world)
    for _ in range(STEPS):
        # In front, so that frozen weights stay gathered until the critic's loss.
        with torch.no_grad():
            head.player_loss(real, fake)
        head.critic_loss(real, fake).backward()
        head.score(real)
        # Gathered weights of before the step must not be used after it.
        head.step(clip=0.05)
    moved = fake.clone().requires_grad_()
    head.reversed_loss(real, moved).backward()
    head.step()
    loss, other = head.critic_loss(real, fake), head.player_loss(real, moved)
    (loss + other).backward()
    head.step()
    return weights_of(head)


def resumed(spec: str, folder: str, rank: int, world: int) -> Results:
    """Count the tensors that differ after resuming from a checkpoint of each process's shards."""
    from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
    from torch.distributed.checkpoint.filesystem import FileSystemWriter

    real, fake = batch(rank, world)
    heads: list[Adversary] = []
    for _ in range(3):
        torch.manual_seed(5)
        heads.append(Adversary(sharded(critic(), world), spec))
    whole, saved, fresh = heads
    for i in range(2 * STEPS):
        whole.update(real + i / 10, fake)
    for i in range(STEPS):
        saved.update(real + i / 10, fake)
    for head in (saved, fresh):
        # Leaves gathered weights in the place of the sharded ones.
        with torch.no_grad():
            head.player_loss(real, fake)
    writer = FileSystemWriter(f"{folder}/{spec}", thread_count=2)
    state_dict_saver.save(saved.state_dict(), storage_writer=writer)
    state = fresh.state_dict()
    state_dict_loader.load(state, checkpoint_id=f"{folder}/{spec}")
    fresh.load_state_dict(state)
    for i in range(STEPS, 2 * STEPS):
        fresh.update(real + i / 10, fake)
    one, two = whole.state_dict(), fresh.state_dict()
    assert one.keys() == two.keys() and any(map(distributed.is_sharded, one.values()))
    pairs = [(distributed.whole(one[n]), distributed.whole(two[n])) for n in one]
    return {"differing": sum(not torch.equal(a, b) for a, b in pairs)}


def refused(spec: str, ema: float, after: bool, rank: int, world: int) -> Results:
    network = critic() if after else sharded(critic(), world)
    head = Adversary(network, spec, ema=ema)
    if after:
        sharded(network, world)
    head.update(*batch(rank, world))
    return {}


REFUSED = {
    "spectral_norm": ("hinge + spectral_norm", 0.0, False),
    "bottleneck": ("hinge + bottleneck", 0.0, False),
    "ema": ("hinge", 0.9, False),
    "sharded later": ("hinge", 0.0, True),
}
RESUMED = ("nsgan", "hinge + r1")
LINES = {
    "spectral_norm": "call SpectralNorm().wrap(critic) before fully_shard",
    "bottleneck": "since Bottleneck adds layers",
    "ema": "ema: expected 0 for a critic under fully_shard",
    "sharded later": "call fully_shard, or whatever replaces parameters, before Adversary",
}


def jobs() -> dict[str, Job]:
    found: dict[str, Job] = {s: partial(train, s, output) for s, output in OBJECTIVES.items()}
    for spec in (*ALIASES, *(f"hinge + {name}" for name in PENALTIES)):
        found[spec] = partial(train, spec, "logit")
    found |= {f"{s} normed": partial(normed, s) for s in ("sngan", "hinge + spectral_norm + r1")}
    for spec in ("hinge", "nsgan + r1"):
        for layers in (True, False):
            found[f"{spec} {'layers' if layers else 'whole'}"] = partial(orders, spec, layers)
    return found


JOBS = jobs()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Results | str]]:
    lines = {name: partial(refused, *REFUSED[name]) for name in REFUSED}
    folder = str(tmp_path_factory.mktemp("shards"))
    saved = {f"{spec} resumed": partial(resumed, spec, folder) for spec in RESUMED}
    return in_two_processes({**JOBS, **lines, **saved})


@pytest.mark.parametrize("name", JOBS)
def test_a_sharded_critic_equals_one_process(
    name: str, parts: list[dict[str, Results | str]]
) -> None:
    one = attempt(JOBS[name], 0, 1)
    assert isinstance(one, dict), one
    for results in parts:
        found = results[name]
        assert isinstance(found, dict), found
        for key, value in one.items():
            torch.testing.assert_close(found[key], value, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("spec", RESUMED)
def test_a_sharded_head_resumes_bit_for_bit(
    spec: str, parts: list[dict[str, Results | str]]
) -> None:
    assert [results[f"{spec} resumed"] for results in parts] == [{"differing": 0}] * 2


@pytest.mark.parametrize("name", REFUSED)
def test_what_sharding_excludes_is_refused_with_what_works(
    name: str, parts: list[dict[str, Results | str]]
) -> None:
    for results in parts:
        found = results[name]
        assert isinstance(found, str) and LINES[name] in found, found
