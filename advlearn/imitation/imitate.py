"""Adversarial imitation in one call: a stable-baselines3 algorithm learns what a critic cannot tell from the expert."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import nn

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.interrupt import between_steps
from advlearn.core.spec import Spec
from advlearn.engine import rng
from advlearn.imitation import algorithms
from advlearn.imitation.checkpoints import Checkpoints
from advlearn.imitation.critic import ShapedCritic
from advlearn.imitation.demonstrations import Demonstrations, load_demonstrations
from advlearn.imitation.fitted import fitted
from advlearn.imitation.imitation import Imitation
from advlearn.imitation.layout import Layout
from advlearn.imitation.learned_reward import LearnedReward
from advlearn.imitation.methods import Method, method
from advlearn.imitation.off_policy import OffPolicyReward, Relabelled
from advlearn.imitation.on_policy import OnPolicyReward
from advlearn.imitation.recording import Recording
from advlearn.imitation.resident import ResidentPPO
from advlearn.imitation.resident_env import ResidentRecording
from advlearn.imitation.rewards import Form
from advlearn.imitation.transitions import Encoder, Images, Inputs, Transitions
from advlearn.imitation.watch import Watch, remark
from advlearn.nets import AutoencoderCritic, IdentityCritic, MLPCritic, PixelCritic

Ours = OnPolicyReward | OffPolicyReward


def imitate(
    demonstrations: Demonstrations | str | Path,
    objective: Spec = "gail",
    *,
    steps: int,
    env: str | VecEnv | None = None,
    algorithm: str | BaseAlgorithm = "ppo",
    every: int = 1,
    inputs: Inputs = "state-action",
    reward: Form | None = None,
    absorbing: bool = False,
    updates: int = 8,
    batch_size: int = 256,
    lr: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    save_every: int = 10_000,
    callbacks: Sequence[BaseCallback] = (),
    quiet: bool = False,
) -> Imitation:
    """Train a policy to do what the demonstrations do.

    Args:
        demonstrations: Episodes, or what `load_demonstrations` takes.
        objective: A method (``"gail"``, ``"vail"``, ``"airl"``, ...; see `methods.METHODS`) or any objective with
            its own reward, such as ``"hinge + r1"``; more terms may follow a method: ``"gail + gradient_penalty"``.
        steps: Environment steps in all.
        env: Environment id or a vectorised environment; the demonstrations' if None. Not given with an algorithm.
        algorithm: Name (``"ppo"``, ``"a2c"``, ``"trpo"``, ``"sac"``, ``"td3"``, ``"dqn"``, ``"tqc"``) or an algorithm
            of stable-baselines3 with its environment, which is used as it is. With `ResidentPPO` the critic, its
            rewards and all that is recorded stay on the device too.
        every: Keep every so-manieth pair of an episode.
        inputs: What the critic sees.
        reward: Form of the reward, a key of `rewards.FORMS`; the method's if None.
        absorbing: Let ended episodes go on in an absorbing state, against the bias of a reward with one sign.
        updates: Critic steps for each rollout; off-policy, environment steps between two of them.
        batch_size: Transitions of each side in a critic step.
        lr: The critic's learning rate.
        seed: Seeds everything but an algorithm that is handed over.
        out: Folder for checkpoints; the same call goes on from the last one there, bit for bit.
        save_every: Steps of each environment between two checkpoints, at which they are reset: many episodes' worth.
            With `out`, Ctrl-C stops at the next one, a second Ctrl-C at once.
        callbacks: More callbacks of stable-baselines3, called after ours: an ``EvalCallback``, for example.
        quiet: Print nothing.

    Returns:
        The run: `policy` is the algorithm, an ordinary one.

    Raises:
        ValueError: An argument is refused, or the demonstrations do not fit the environment; before any training.
        TypeError: An environment or algorithm that is not supported.
        KeyboardInterrupt: After Ctrl-C, with `out` when a checkpoint is written.

    Reference: see `methods.METHODS`.
    """
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    demos = load_demonstrations(demonstrations) if isinstance(demonstrations, str | Path) else demonstrations
    chain, named = method(objective)
    with rng.isolated(seed):
        player = algorithms.build(algorithm, env or demos.env_id or None, seed)
        demos = fitted(demos, player.observation_space, player.action_space)
        expert = demos.transitions(every, seed=seed).to(player.device)
        recording = _record(player)
        learned = _learned(player, expert, chain, named, inputs, reward, absorbing, lr)
        run = Imitation(player, learned, demos, env if isinstance(env, str) else demos.env_id)
        remark(learned.form, absorbing, demos, run.env_id)
        ours = _callback(player, learned, recording, updates, batch_size, Watch(run, steps, quiet=quiet))
        if out is None:
            player.learn(steps, callback=[ours, *callbacks])
        else:
            recipe = _recipe(chain, player, demos, every=every, inputs=inputs, form=learned.form, absorbing=absorbing)
            recipe |= {"updates": updates, "batch_size": batch_size, "lr": lr, "seed": seed, "save_every": save_every}
            kept = _checkpoints(run, ours, Path(out), recipe)
            _go_on(player, kept, [ours, kept, *callbacks], steps)
        return run


def _go_on(player: BaseAlgorithm, kept: Checkpoints, callbacks: list[BaseCallback], steps: int) -> None:
    """Train from the last checkpoint on; Ctrl-C stops at the next one, a second one at once."""
    done = kept.resume()
    with between_steps() as interrupted:
        kept.interrupted = interrupted
        if done < steps:
            player.learn(steps - done, callback=callbacks, reset_num_timesteps=not done)
    if kept.stopped:
        raise KeyboardInterrupt


def _recipe(chain: Chain, player: BaseAlgorithm, demos: Demonstrations, **settings: Any) -> dict[str, Any]:
    """What a run that is resumed must share with this one: plain values."""
    shared = {"objective": repr(chain), "algorithm": type(player).__name__, "n_envs": player.n_envs}
    return {**shared, "pairs": len(demos), **settings}


def _checkpoints(run: Imitation, ours: Ours, folder: Path, recipe: dict[str, Any]) -> Checkpoints:
    if getattr(run.policy, "optimize_memory_usage", False):
        raise ValueError("out: with optimize_memory_usage a reset would change a stored step; expected it False")
    every = recipe["save_every"] * run.policy.n_envs
    return Checkpoints(run, ours, folder, recipe, seed=recipe["seed"], every=every)


def _record(player: BaseAlgorithm) -> Recording | ResidentRecording:
    """Put the recording at the bottom of the algorithm's environments, below any normalisation."""
    if isinstance(player, ResidentPPO):
        return player.record()
    env: Any = player.get_env()
    if isinstance(env, VecNormalize):
        if isinstance(player, OffPolicyAlgorithm):
            raise TypeError(
                "env: replayed transitions are raw, and VecNormalize would hide that; expected none with it"
            )
        env.norm_reward = False
        recording = Recording(cast(VecEnv, env.venv))
        env.venv = recording
        return recording
    recording = Recording(env)
    player.env = recording
    return recording


def _learned(
    player: BaseAlgorithm,
    expert: Transitions,
    chain: Chain,
    named: Method,
    inputs: Inputs,
    form: Form | None,
    absorbing: bool,
    lr: float,
) -> LearnedReward:
    space: Any = player.action_space
    choices, first = (int(space.n), int(space.start)) if hasattr(space, "n") else (0, 0)
    images = Layout(player.observation_space).images
    encoder = Encoder(expert, choices=choices, first=first, inputs=inputs, images=images)
    gamma = float(cast(Any, player).gamma)
    if named.shaped:
        if not isinstance(player, OnPolicyAlgorithm):
            raise TypeError("objective: AIRL's critic needs the policy's log-probability; expected PPO, A2C or TRPO")
        critic: nn.Module = ShapedCritic(
            encoder.width,
            expert.observations.shape[1] + 1,
            gamma,
            images=encoder.images,
            state_images=encoder.state_images,
        )
    else:
        critic = _critic(encoder.width, encoder.images, chain)
    adversary = Adversary(critic.to(player.device), chain, lr=lr)
    log_prob = algorithms.log_prob_of(player) if named.shaped else None
    return LearnedReward(
        adversary,
        encoder,
        expert,
        form=named.reward if form is None else form,
        gamma=gamma,
        absorbing=absorbing,
        log_prob=log_prob,
    )


def _critic(width: int, images: Images, chain: Chain) -> nn.Module:
    objective = chain.required_objective()
    if getattr(objective, "embedding", "learned") == "identity":
        return IdentityCritic()
    if objective.score == "energy":
        return AutoencoderCritic((width,), code=max(1, width // 2))
    if objective.score in ("density", "classes"):
        raise ValueError(f"objective: its critic scores {objective.score!r}, and transitions have neither")
    outputs = 16 if objective.score == "vector" else 1
    if images:
        return PixelCritic(width, images, outputs)
    return MLPCritic((width,), out_features=outputs, hidden=(64, 64))


def _callback(
    player: BaseAlgorithm,
    learned: LearnedReward,
    recording: Recording | ResidentRecording,
    updates: int,
    batch_size: int,
    watch: Watch,
) -> Ours:
    if isinstance(player, OnPolicyAlgorithm):
        return OnPolicyReward(learned, recording, updates=updates, batch_size=batch_size, look=watch)
    replay = Relabelled(cast(Any, player).replay_buffer, learned, player.policy)
    cast(Any, player).replay_buffer = replay
    bottom = cast(Recording, recording)
    return OffPolicyReward(learned, bottom, replay, every=updates, batch_size=batch_size, look=watch)
