"""Train in several processes, and in one process that is given their joined rollouts."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from advlearn_envs import StableBaselinesVecEnv
from advlearn_envs.batched import Range, Step
from gymnasium import spaces
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor, nn

from advlearn.core.inputs import Inputs
from advlearn.imitation import Demonstrations, DevicePPO, imitate
from advlearn.imitation.building import RewardSettings, build_reward
from advlearn.imitation.sb3.on_policy import OnPolicyReward
from advlearn.imitation.sb3.recorder import record_environment
from advlearn.imitation.sb3.replacing import replaced
from advlearn.imitation.settings import choose
from advlearn.imitation.specification import specify
from advlearn.training import rng

GAIL = "gail + r1(weight=1)"
N, T, ITERATIONS = 3, 8, 3  # environments of a process, steps of a rollout, rollouts
MINIBATCH, EPOCHS, CRITIC_BATCH, CRITIC_STEPS = 12, 2, 8, 2
COLUMNS = ("observations", "actions", "values", "log_probs", "advantages", "returns")
STOPPING = 2e-5  # the target_kl at which one process by itself would not stop
SEED, APART = 5, 15_485_863  # of the run, and between the seeds of two processes


class Drift:
    """Push a point on a line; nothing is drawn, since the last observation is the noise.

    Args:
        first: Number of the first environment; the noise depends on it and on the step.
        count: Number of environments.
    """

    NAME = "drift"
    ACTIONS = Range((-1.0,), (1.0,))
    time_limit = 5

    def __init__(self, first: int, count: int) -> None:
        self.num_envs, self.device = count, torch.device("cpu")
        self.observation_space = spaces.Box(-9, 9, (2,), np.float32)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.numbers = torch.arange(first, first + count)
        self.place, self.steps, self.total = torch.zeros(count), torch.zeros(count), 0

    def reset(self, seed: int | None = None) -> Tensor:
        self.place, self.steps = 0.1 * self.numbers, torch.zeros(self.num_envs)
        self.total = 0
        return self._seen()

    def step(self, actions: Tensor) -> Step:
        self.place = 0.9 * self.place + actions[:, 0]
        self.steps, self.total = self.steps + 1, self.total + 1
        terminated = self.place.abs() > 2
        truncated = self.steps >= self.time_limit
        reached = self._seen()
        ended = terminated | truncated
        self.place = torch.where(ended, 0.1 * self.numbers, self.place)
        self.steps = torch.where(ended, 0, self.steps)
        return Step(self._seen(), torch.ones(self.num_envs), terminated, truncated, reached)

    def _seen(self) -> Tensor:
        noise = (12.9898 * (self.numbers + 1) + 78.233 * self.total).sin()
        return torch.stack((self.place, noise.float()), 1)


class Noisy(ActorCriticPolicy):
    """Take the noise of the actions from the observations."""

    def forward(self, obs: Tensor, deterministic: bool = False) -> Any:
        actor, critic = self.mlp_extractor(self.extract_features(obs))
        distribution = self._get_action_dist_from_latent(actor)
        actions = distribution.mode() + self.log_std.exp() * obs[:, 1:]
        return actions, self.value_net(critic), distribution.log_prob(actions)


def learner_of(kind: str, first: int, count: int, policy: Any = Noisy, **settings: Any) -> Any:
    """Return an algorithm whose minibatches have `count / N` times the size of a process's."""
    share = count // N
    # Not Adam, which turns the rounding error of a zero gradient into a full step.
    network = {"net_arch": [8], "optimizer_class": torch.optim.SGD}
    given: dict[str, Any] = {"n_steps": T, "learning_rate": 0.1, "seed": 0, "device": "cpu"}
    given |= {"policy_kwargs": network, "ent_coef": 0.01, "max_grad_norm": 0.3}
    if kind == "a2c":
        venv = StableBaselinesVecEnv(Drift(first, count))  # type: ignore[arg-type]
        return A2C(policy, venv, normalize_advantage=True, **given | settings)
    given |= {"batch_size": share * MINIBATCH, "n_epochs": EPOCHS} | settings
    if kind.startswith("device"):
        given |= {"target_kl": STOPPING} if kind == "device stopped" else {}
        return DevicePPO(policy, Drift(first, count), **given)
    return PPO(policy, StableBaselinesVecEnv(Drift(first, count)), **given)  # type: ignore[arg-type]


def expert() -> Demonstrations:
    """Return two short episodes around the middle."""
    draws = np.random.default_rng(0)
    states = draws.normal(size=(12, 2)).astype(np.float32)
    actions = draws.uniform(-1, 1, (10, 1)).astype(np.float32)
    return Demonstrations(states, actions, np.array([5, 5]), np.array([True, False]))


def critic_of(inputs: Inputs) -> nn.Module:
    """Return a critic with fixed first weights."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(inputs.shapes[0][0], 8), nn.Tanh(), nn.Linear(8, 1))


def settings_of(method: str, absorbing: bool) -> dict[str, Any]:
    """Return the settings of the reward and its critic; a kernel has no critic, AIRL its own."""
    if method == "gmmil":
        return {"absorbing": absorbing, "critic": None}
    if method == "airl":
        return {"absorbing": absorbing, "critic": None, "optimizer": "sgd", "critic_lr": 0.05}
    given = {"absorbing": absorbing, "critic": critic_of, "reward": "logit"}
    return given | {"optimizer": "sgd", "critic_lr": 0.05}


def weights_of(policy: Any, adversary: Any) -> dict[str, Tensor]:
    """Return the weights of policy and critic by name."""
    parts = {"policy": policy.policy, "critic": adversary.critic}
    named = {f"{part}.{n}": p for part, m in parts.items() for n, p in m.named_parameters()}
    return {name: p.detach().clone() for name, p in named.items()}


def meet(rank: int, folder: str, world: int = 2) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world
    )


def train_one_of_two(rank: int, folder: str, cases: list[tuple[str, str, bool]]) -> None:
    """Train every case in one of two processes, and save the weights."""
    meet(rank, folder)
    try:
        torch.save([_imitated(rank, *case) for case in cases], Path(folder) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def _imitated(rank: int, kind: str, method: str, absorbing: bool) -> dict[str, Tensor]:
    run = imitate(
        expert(), method, steps=ITERATIONS * T * N, algorithm=learner_of(kind, rank * N, N),
        batch_size=CRITIC_BATCH, critic_steps=CRITIC_STEPS, seed=SEED, quiet=True,
        **settings_of(method, absorbing),
    )  # fmt: skip
    return weights_of(run.policy, run.reward.adversary)


class Signalled(Drift):
    """Send SIGTERM to the second process in the third step of a rollout."""

    def step(self, actions: Tensor) -> Step:
        if self.total == 2 and dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().step(actions)


def resume_one_of_two(rank: int, folder: str) -> None:
    """Train in one of two processes, without a break and with one, and save the weights."""
    meet(rank, folder)
    try:
        for kind in ("ppo", "device"):
            whole = _sampled(rank, kind, Path(folder) / f"{kind} whole", 6)
            broken = Path(folder) / f"{kind} broken"
            if kind == "device":
                _stop_by_signal(rank, broken)
            else:
                _sampled(rank, kind, broken, 2)
            found = {"whole": whole, "broken": _sampled(rank, kind, broken, 6)}
            torch.save(found, Path(folder) / f"{kind} {rank}.pt")
    finally:
        dist.destroy_process_group()


def _stop_by_signal(rank: int, folder: Path) -> None:
    """Begin a run that a signal to one process stops in all, at the next checkpoint."""
    try:
        _sampled(rank, "device", folder, 6, Signalled(rank * N, N))
    except KeyboardInterrupt:
        return
    raise AssertionError("expected KeyboardInterrupt in every process")


def _sampled(
    rank: int, kind: str, folder: Path, rollouts: int, env: Drift | None = None
) -> dict[str, Tensor]:
    """Imitate with drawn actions up to a number of rollouts, from the folder if it has a run."""
    learner = learner_of(kind, rank * N, N, policy="MlpPolicy")
    if env is not None:
        learner.set_env(env)
    run = imitate(
        expert(), GAIL, steps=rollouts * T * N, out=folder, save_every=2 * T, batch_size=8,
        algorithm=learner, critic_steps=2, critic_replay_size=2 * T * N, absorbing=False,
        quiet=True,
    )  # fmt: skip
    actions = torch.as_tensor(run.policy.rollout_buffer.actions).clone()
    return weights_of(run.policy, run.reward.adversary) | {"actions": actions}


class JoinedDraws:
    """Train a critic on what two processes draw, each from its half of the environments."""

    def __init__(self, reward: Any) -> None:
        self.reward, self.gamma, self.policy = reward, reward.gamma, None
        self.adversary, self.demonstrations = reward.adversary, reward.demonstrations
        self.of = reward.of
        self.updates = 0

    def update(self, steps: Any, batch_size: int) -> None:
        if self.updates % CRITIC_STEPS == 0:
            rollout = 1 + self.updates // CRITIC_STEPS
            self.draws = torch.Generator().manual_seed(SEED * 1_000_003 + rollout * T * N)
        self.updates += 1
        rows = torch.randint(self.demonstrations.size, (2 * batch_size,), generator=self.draws)
        own = torch.randint(T * N, (2 * batch_size,), generator=self.draws)
        second = torch.arange(2 * batch_size) >= batch_size
        # Steps are ordered by time, then by environment.
        drawn = own // N * 2 * N + own % N + second * N
        self.reward._note(steps)
        sides = self.demonstrations.at(rows), steps.at(drawn)
        self.adversary.update(*map(self.reward._compared, sides))


def train_alone(kind: str, method: str, absorbing: bool) -> dict[str, Tensor]:
    """Train a case in one process with the environments of both, by the same minibatches."""
    learner = learner_of(kind, 0, 2 * N)
    specification = specify(method)
    given = settings_of(method, absorbing)
    chosen = choose({"reward": specification.reward, **specification.options}, given)
    settings = RewardSettings.of(given["critic"], chosen)
    with record_environment(learner) as recording:
        transitions = expert().transitions(1, seed=SEED)
        with rng.isolated(SEED):  # `imitate` draws the first weights of AIRL's critic so too
            learned = build_reward(learner, transitions, specification, settings)
        callback = OnPolicyReward(
            JoinedDraws(learned), recording,  # type: ignore[arg-type]
            critic_steps=CRITIC_STEPS, batch_size=CRITIC_BATCH,
        )  # fmt: skip
        methods = {} if kind == "a2c" else {"get": _get(learner)}
        with replaced(learner.rollout_buffer, **methods):
            learner.learn(ITERATIONS * T * 2 * N, callback=callback)
    return weights_of(learner, learned.adversary)


def _get(learner: Any) -> Any:
    """Return minibatches of the rows that two processes draw, each with its own generator."""
    seeds = [SEED, SEED + APART]
    on_device = isinstance(learner, DevicePPO)
    orders = [
        torch.Generator().manual_seed(s) if on_device else np.random.RandomState(s) for s in seeds
    ]
    buffer = learner.rollout_buffer
    whole = buffer.get

    def get(batch_size: int) -> Iterator[Any]:
        size, half = T * N, batch_size // 2
        if on_device:
            columns = [column.flatten(0, 1) for column in buffer.columns()]
            own = [torch.randperm(size, generator=order) for order in orders]
            rows = [o // N * 2 * N + o % N + rank * N for rank, o in enumerate(own)]
        else:
            own = [torch.from_numpy(order.permutation(size)) for order in orders]
            # The columns are ordered by environment, then by time.
            rows = [o + rank * size for rank, o in enumerate(own)]
            next(whole())  # flattens the columns
            columns = [torch.as_tensor(getattr(buffer, name)) for name in COLUMNS]
            columns = [*columns[:2], *(column.flatten() for column in columns[2:])]
        for pair in zip(*(part.split(half) for part in rows), strict=True):
            yield RolloutBufferSamples(*(column[torch.cat(pair)] for column in columns))

    return get
