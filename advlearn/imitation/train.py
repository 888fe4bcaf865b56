"""Train a stable-baselines3 algorithm to imitate demonstrations, in one call."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import device as Device
from torch import nn

from advlearn.core import agreement, distributed
from advlearn.core.adversary import OptimizerFactory
from advlearn.core.arguments import Count, Natural, NonNegative, Positive, Seed, checked
from advlearn.core.chain import OptimizerName
from advlearn.core.grammar import Spec
from advlearn.core.identity import flatten
from advlearn.core.inputs import Inputs
from advlearn.core.method import Method
from advlearn.imitation import processes
from advlearn.imitation.behaviour_cloning import clone_behaviour
from advlearn.imitation.building import (
    RewardCallback,
    RewardSettings,
    build_reward,
    build_reward_callback,
)
from advlearn.imitation.demonstrations.dataset import Demonstrations
from advlearn.imitation.demonstrations.layout import Layout
from advlearn.imitation.demonstrations.loading import load_demonstrations
from advlearn.imitation.demonstrations.transitions import CriticView, Transitions
from advlearn.imitation.demonstrations.validation import validate_demonstrations
from advlearn.imitation.progress_log import ProgressLog, ends_early
from advlearn.imitation.result import ImitationResult
from advlearn.imitation.run_checks import check_algorithm, check_numbers, critic_pace
from advlearn.imitation.sb3 import algorithms
from advlearn.imitation.sb3.checkpoints import Checkpoints
from advlearn.imitation.sb3.environment_checks import check_env, compare, id_of
from advlearn.imitation.sb3.exploration import refuse_unknown_buffer
from advlearn.imitation.sb3.finite import RunGuard, moments
from advlearn.imitation.sb3.held_out import HeldOutReturn, refuse_unknown_environment
from advlearn.imitation.sb3.learning import learn, learn_from_checkpoint
from advlearn.imitation.sb3.making import EnvironmentRecipe, plain_settings
from advlearn.imitation.sb3.recorder import record_environment
from advlearn.imitation.sb3.resume_settings import facts_of, resume_settings
from advlearn.imitation.settings import CHANGEABLE, choose, refuse_with_cloning
from advlearn.imitation.specification import Reward, specify
from advlearn.imitation.summary import summary
from advlearn.training import launch, rng
from advlearn.training.comparison import check_changes
from advlearn.training.folder_lock import folder_lock
from advlearn.training.torch_modes import training_modes

# Steps of each environment between two checkpoints.
SAVE_EVERY = 10_000


@checked
@training_modes()
def imitate(
    demonstrations: Demonstrations | str | Path,
    method: Spec | Method = "gail + r1(weight=1)",
    *,
    steps: Count | None = None,
    env: str | VecEnv | None = None,
    algorithm: str | BaseAlgorithm = "ppo",
    expert_subsample: Count | None = None,
    critic_inputs: CriticView | None = None,
    critic_window: Count | None = None,
    reward: Reward | None = None,
    absorbing: bool | Literal["auto"] | None = None,
    critic: nn.Module | Callable[[Inputs], nn.Module] | None = None,
    critic_lr: Positive | None = None,
    critic_steps: Count | None = None,
    critic_every: Count | None = None,
    optimizer: OptimizerFactory | OptimizerName | None = None,
    batch_size: Count | None = None,
    critic_replay_size: Natural | None = None,
    ent_coef: NonNegative | None = None,
    bc_steps: Natural | None = None,
    device: Device | str | None = None,
    seed: Seed = 0,
    out: str | Path | None = None,
    save_every: Count | None = None,
    evaluate: Count | None = None,
    callbacks: Sequence[BaseCallback] = (),
    quiet: bool = False,
    clip: bool = False,
    resume_with: Mapping[str, Any] | None = None,
) -> ImitationResult:
    r"""Train a policy to imitate demonstrations.

    With pi the policy, pi_E the expert, D the critic and H the causal entropy,

    .. math::

        \min_\pi \max_D E_{\pi_E}[\log D(s, a)] + E_\pi[\log(1 - D(s, a))] - \lambda H(\pi), \qquad
        H(\pi) = E_\pi[-\log \pi(a \mid s)]

    for ``"gail"``; other methods minimise other distances between policy and expert. The
    environment's own reward is recorded, and hidden from the policy during training. On return, and
    after an error, the algorithm has its original environments and buffers again.

    Under torchrun each process has its own environments, and all train one policy and one critic
    (PPO, A2C and `DevicePPO`). Every number counts for each process: N processes take N times
    `steps`, and learn from batches of N times `batch_size` (`docs/cluster.md`).

    An argument overrides the option of the same name of the method, which overrides the default.

    Args:
        demonstrations: Episodes, or a name or path that `load_demonstrations` reads.
        method: A method of the catalogue (``"gail"``, ``"vail"``, ``"airl"``, ...), any objective
            with its own reward, such as ``"hinge + r1"``, or a `Method`; more terms may follow a
            method: ``"gail + gradient_penalty"``. The default is GAIL with R1, which learns more
            in the same number of steps (`imitation_ablation.json`).
        steps: Environment steps in total; None only with behaviour cloning, which takes none.
        env: Environment id or a vectorised environment; None: that of the demonstrations. Not
            given together with an algorithm object.
        algorithm: ``"ppo"``, ``"a2c"``, ``"trpo"``, ``"sac"``, ``"td3"``, ``"dqn"``, ``"tqc"``, or
            an algorithm of stable-baselines3 with its environment. With `DevicePPO`, the critic,
            its rewards and all recorded steps stay on the device too.
        expert_subsample: Keep every n-th transition of each episode; None: the method's, or 1.
        critic_inputs: What the critic reads: ``"state-action"``, ``"state"``, ``"state-next"`` or
            ``"state-action-next"``; or a function from `Transitions` to features (N, k), such as
            ``lambda steps: steps.observations[:, :3]``. None: the method's, or ``"state-action"``.
        critic_window: Number of observations that the critic reads as one, the oldest first, for
            motions; those before the first of an episode are copies of it. On-policy algorithms
            only. None: the method's, or 1.
        reward: Shape of the reward, a key of `REWARD_SHAPES`, ``"own"`` for the objective's, or a
            function from the critic's scores (N,) to rewards (N,); None: the method's.
        absorbing: Continue ended episodes in an absorbing state, which removes the bias of a reward
            with one sign; ``"auto"``: if the environment ended demonstrations of different lengths,
            which is then printed. None: the method's, or ``"auto"``.
        critic: A module that scores encoded transitions (N, width), or a function from `Inputs` to
            one; None: a network sized from the inputs.
        critic_lr: Learning rate of the critic; None: the method's, or 1e-3.
        critic_steps: Critic steps for each rollout (on-policy; 8 if None) or for each critic
            update (off-policy; 1 if None).
        critic_every: Environment steps between two critic updates of an off-policy algorithm; 8 if
            None.
        optimizer: Optimizer of the critic: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable
            from a list of parameters; None: the objective's.
        batch_size: Transitions of the expert, and of the policy, in a critic step; None: the
            method's, or 256.
        critic_replay_size: Number of the policy's newest transitions that the critic learns from;
            0: those of the last rollout. None: the method's, or 0. Off-policy algorithms use their
            replay buffer.
        ent_coef: Lambda, the weight of the policy's entropy, for ``"ppo"`` and ``"a2c"`` by name;
            None: the algorithm's own.
        bc_steps: Steps of behaviour cloning before the first step in the environment; None: 0, and
            2,000 with the method ``"bc"``. See `clone_behaviour`.
        device: Device of an algorithm by name and of its critic; None: the CPU.
        seed: Seeds everything except an algorithm object; in several processes also the
            environments of each, by its rank.
        out: Folder for checkpoints; the same call, in as many processes, continues from the last
            one, bit for bit. A folder that another run writes to is refused.
        save_every: Steps of each environment between two checkpoints, at which the environments are
            reset; choose several episodes' length. None: 10,000. With `out`, Ctrl-C or SIGTERM
            stops at the next checkpoint, a second Ctrl-C at once.
        evaluate: Environment steps between two measurements of the policy's true return in a
            separate environment, over 10 episodes, which are kept in the result's `evaluations`;
            with `out`, the folder ``best`` holds the best policy. None: no measurements.
        callbacks: More callbacks of stable-baselines3, called after those of advlearn. With `out`,
            a resumed run restores their attributes that are numbers, texts and arrays.
        quiet: Whether to print nothing; otherwise lines of progress, and a table at the end.
        clip: Whether to clip demonstrated actions to the environment's bounds; otherwise actions
            outside of them are refused.
        resume_with: New values of `critic_lr`, `batch_size` or `steps` for the run in `out`, which
            otherwise resumes with equal settings only: ``{"critic_lr": 1e-4}``.

    Returns:
        The run; its `policy` is the trained algorithm.

    Raises:
        ValueError: If an argument is refused or the demonstrations do not fit the environment,
            before any training; in several processes, if they cannot be joined or differ.
        TypeError: If the environment or algorithm is not supported.
        NonFiniteError: If a loss, a weight or a state of an optimizer stopped being finite.
        ChildProcessError: If a worker process of a `SubprocVecEnv` ended.
        KeyboardInterrupt: After Ctrl-C or SIGTERM; with `out`, once a checkpoint is written.

    Reference:
        The rows of `advlearn.methods.imitation`; entropy: Ho and Ermon, "Generative Adversarial
        Imitation Learning", 2016, eq. 1 and 15.

    Deviations:
        The bonus is the entropy in the visited states, as in PPO and A2C: its gradient ignores
        that actions lead to states of different entropy.
    """
    processes.refuse_separate(algorithm, env, callbacks)
    out = None if out is None else Path(out).absolute()  # a callback may change the working folder
    changes = check_changes(resume_with, CHANGEABLE, out)
    steps = changes.pop("steps", steps)
    specification = specify(method)
    of_critic = {
        "critic_inputs": critic_inputs,
        "critic_window": critic_window,
        "reward": reward,
        "absorbing": absorbing,
        "critic_lr": critic_lr,
        "critic_steps": critic_steps,
        "critic_every": critic_every,
        "optimizer": optimizer,
        "batch_size": batch_size,
        "critic_replay_size": critic_replay_size,
        "ent_coef": ent_coef,
        **changes,
    }
    if specification.cloning_only:
        unused = {"steps": steps, "critic": critic, "save_every": save_every, "evaluate": evaluate}
        refuse_with_cloning({**unused, "callbacks": callbacks or None, **of_critic})
    given = {"expert_subsample": expert_subsample, "bc_steps": bc_steps, **of_critic}
    chosen = choose({"reward": specification.reward, **specification.options}, given)
    save_every = SAVE_EVERY if save_every is None else save_every
    steps = check_numbers(specification, steps, save_every, chosen)
    if isinstance(demonstrations, str | Path):
        demonstrations = load_demonstrations(demonstrations)
    demos, cloning = demonstrations, chosen["bc_steps"]
    place = launch.launched(processes.device_of(algorithm, device))
    with place as own_device, folder_lock(out), rng.isolated(seed):
        first = distributed.rank() == 0
        quiet = quiet or not first
        with agreement.agreed() as compared:
            if chosen["absorbing"] == "auto":
                chosen["absorbing"] = ends_early(demos, quiet=quiet or specification.cloning_only)
            settings = RewardSettings.of(critic, chosen)
            learner = algorithms.build(
                algorithm, _environment(algorithm, env, demos), seed, ent_coef=chosen["ent_coef"],
                device=None if device is None else own_device,
                env_settings=None if env else demos.env_settings,
            )  # fmt: skip
            pace = critic_pace(learner, chosen["critic_steps"], chosen["critic_every"])
            venv = cast(VecEnv, learner.get_env())
            env_id = id_of(venv) or (env if isinstance(env, str) else "")
            recipe = EnvironmentRecipe.of(venv)
            compare(demos, env_id, plain_settings(recipe.spec))
            demos = validate_demonstrations(
                demos, learner.observation_space, learner.action_space, clip=clip
            )
            check_env(venv)
            window, every = chosen["critic_window"], chosen["expert_subsample"]
            check_algorithm(learner, chosen["critic_replay_size"], cloning, window)
            expert = demos.transitions(every, seed=seed).to(learner.device)
            windows = demos.transitions(every, seed=seed, window=window).to(learner.device)
            if distributed.world_size() > 1:
                compared |= flatten(
                    resume_settings(repr(specification.chain), learner, demos, env_id)
                )
                compared |= {"bc_steps": cloning, "seed": seed}
        with record_environment(learner, window) as recording, processes.joined(learner):
            learned = build_reward(learner, windows, specification, settings)
            run = ImitationResult(learner, learned, demos, env_id, recipe)
            run.method = specification.method
            if specification.cloning_only:
                _start(learner, expert, cloning, seed)
                RunGuard(run, None).check()
                if out is not None and first:
                    run.save(out)
                return run
            log = ProgressLog(run, steps, quiet=quiet)
            training = {name: chosen[name] for name in ("batch_size", "critic_replay_size")} | pace
            reward_callback = build_reward_callback(
                learner, learned, recording, log, seed=seed, **training
            )
            start = partial(_start, learner, expert, cloning, seed)
            ours: list[BaseCallback] = [reward_callback]
            if evaluate is not None:
                refuse_unknown_environment(run, evaluate)
                folder = None if out is None or not first else Path(out)
                ours.append(HeldOutReturn(run, evaluate, seed, folder))
            shared, facts = {}, {}
            if out is not None or distributed.world_size() > 1:
                shared = resume_settings(repr(specification.chain), learner, demos, env_id)
                shared |= settings.plain() | training
                shared |= {"bc_steps": cloning, "seed": seed, "save_every": save_every}
                facts = facts_of(learner) | settings.values()
                more = {"steps": steps, "evaluate": evaluate, "out": str(out)}
                agreement.require_same(flatten(shared | facts) | more)
            if out is None:
                learn(run, [*ours, *callbacks], steps, start)
            else:
                checkpoints = _checkpoints(run, reward_callback, Path(out), shared)
                checkpoints.facts, checkpoints.changed = facts, tuple(resume_with or ())
                checkpoints.callbacks = callbacks
                every_callback = [*ours, checkpoints, *callbacks]
                learn_from_checkpoint(checkpoints, every_callback, steps, start)
            if not quiet:
                print(summary(run), file=sys.stderr)
        return run


def _environment(
    algorithm: str | BaseAlgorithm, env: str | VecEnv | None, demonstrations: Demonstrations
) -> str | VecEnv | None:
    """Return the environment of an algorithm by name: the user's, or the demonstrations'."""
    if env is not None or isinstance(algorithm, BaseAlgorithm):
        return env
    return demonstrations.env_id or None


def _start(learner: BaseAlgorithm, expert: Transitions, cloning: int, seed: int) -> None:
    """Begin a run that has no checkpoint."""
    processes.begin(learner, seed)
    _clone(learner, expert, cloning)


def _clone(learner: BaseAlgorithm, expert: Transitions, steps: int) -> None:
    """Clone the expert, after its observations have set the scale of a fresh `VecNormalize`."""
    if not steps:
        return
    normalise = learner.get_vec_normalize_env()
    if normalise is not None:
        observations = Layout(learner.observation_space).unflatten(expert.observations.cpu())
        for name, scale in moments(normalise).items():
            # A scale without observations would move away under the cloned policy.
            if scale.count < 1:
                scale.update((observations[name] if name else observations).numpy())
    clone_behaviour(learner, expert, steps=steps)


def _checkpoints(
    run: ImitationResult, reward_callback: RewardCallback, folder: Path, shared: dict[str, Any]
) -> Checkpoints:
    if getattr(run.policy, "optimize_memory_usage", False):
        raise ValueError(
            "optimize_memory_usage: expected False with out=, since the reset at a checkpoint "
            "would change a stored step, got True; set it to False or leave out= out"
        )
    replay = getattr(run.policy, "replay_buffer", None)
    refuse_unknown_buffer(getattr(replay, "buffer", replay))
    every = shared["save_every"] * run.policy.n_envs
    return Checkpoints(run, reward_callback, folder, shared, seed=shared["seed"], every=every)
