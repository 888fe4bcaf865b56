"""Adversarial imitation in one call: a stable-baselines3 algorithm learns what a critic cannot tell from the expert."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv
from torch import device as Device
from torch import nn

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.grammar import Spec
from advlearn.core.interrupt import between_steps
from advlearn.imitation import algorithms
from advlearn.imitation.checkpoints import Checkpoints, moments
from advlearn.imitation.cloning import clone_behaviour
from advlearn.imitation.critic import ShapedCritic
from advlearn.imitation.demonstrations import Demonstrations, load_demonstrations
from advlearn.imitation.environment import compare, examine, id_of
from advlearn.imitation.fitted import fitted
from advlearn.imitation.imitation import Imitation
from advlearn.imitation.layout import Layout
from advlearn.imitation.learned_reward import LearnedReward
from advlearn.imitation.methods import Method, method
from advlearn.imitation.off_policy import OffPolicyReward, Relabelled
from advlearn.imitation.on_policy import OnPolicyReward
from advlearn.imitation.recipe import recipe
from advlearn.imitation.recorded import recorded
from advlearn.imitation.recording import Recording
from advlearn.imitation.resident_env import ResidentRecording
from advlearn.imitation.rewards import Form
from advlearn.imitation.transitions import Encoder, Images, Inputs, Transitions
from advlearn.imitation.watch import Watch
from advlearn.nets import AutoencoderCritic, IdentityCritic, MLPCritic, PixelCritic
from advlearn.training import rng

Ours = OnPolicyReward | OffPolicyReward


def imitate(
    demonstrations: Demonstrations | str | Path,
    objective: Spec = "gail + r1(weight=1)",
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
    memory: int = 0,
    entropy: float | None = None,
    clone: int = 0,
    device: Device | str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    save_every: int = 10_000,
    callbacks: Sequence[BaseCallback] = (),
    quiet: bool = False,
) -> Imitation:
    r"""Train a policy to do what the demonstrations do.

    With pi the policy, pi_E the expert, D the critic and H the causal entropy,

    .. math:: \min_\pi \max_D E_{\pi_E}[\log D(s, a)] + E_\pi[\log(1 - D(s, a))] - \lambda H(\pi), \qquad
        H(\pi) = E_\pi[-\log \pi(a \mid s)]

    for ``"gail"``; other methods have other distances of the two. The environment's own reward is
    recorded and hidden while this trains; the algorithm is an ordinary one again when it returns or
    raises.

    Args:
        demonstrations: Episodes, or what `load_demonstrations` takes.
        objective: A method (``"gail"``, ``"vail"``, ``"airl"``, ...; see `methods.METHODS`) or any
            objective with its own reward, such as ``"hinge + r1"``; more terms may follow a method:
            ``"gail + gradient_penalty"``. The default is GAIL with R1, which learns far more from
            as many steps (`imitation_ablation.json`).
        steps: Environment steps in all.
        env: Environment id or a vectorised environment; the demonstrations' if None. Not given with
            an algorithm.
        algorithm: Name (``"ppo"``, ``"a2c"``, ``"trpo"``, ``"sac"``, ``"td3"``, ``"dqn"``,
            ``"tqc"``) or an algorithm of stable-baselines3 with its environment, which is used as
            it is. With `ResidentPPO` the critic, its rewards and all that is recorded stay on the
            device too.
        every: Keep every so-manieth pair of an episode.
        inputs: What the critic sees.
        reward: Form of the reward, a key of `rewards.FORMS`; the method's if None.
        absorbing: Let ended episodes go on in an absorbing state, against the bias of a reward with
            one sign.
        updates: Critic steps for each rollout; off-policy, environment steps between two of them.
        batch_size: Transitions of each side in a critic step.
        lr: The critic's learning rate.
        memory: The policy's newest transitions that the critic learns from; 0 for those of the last
            rollout. Only for algorithms without a replay buffer, which is one.
        entropy: Lambda, the weight of the entropy of ``"ppo"`` and ``"a2c"``, in units of the
            scaled reward; None for the algorithm's own.
        clone: Steps of behaviour cloning before the first step in the environment; see
            `clone_behaviour`.
        device: Device of an algorithm by name and of its critic; None for the CPU, which small
            networks are fastest on.
        seed: Seeds everything but an algorithm that is handed over.
        out: Folder for checkpoints; the same call goes on from the last one there, bit for bit.
        save_every: Steps of each environment between two checkpoints, at which they are reset: many
            episodes' worth. With `out`, Ctrl-C stops at the next one, a second Ctrl-C at once.
        callbacks: More callbacks of stable-baselines3, called after ours: an ``EvalCallback``, for
            example.
        quiet: Print nothing.

    Returns:
        The run: `policy` is the algorithm, an ordinary one.

    Raises:
        ValueError: An argument is refused, or the demonstrations do not fit the environment; before
        any training.
        TypeError: An environment or algorithm that is not supported.
        KeyboardInterrupt: After Ctrl-C, with `out` when a checkpoint is written.

    Reference:
        See `methods.METHODS`; entropy: Ho and Ermon, "Generative Adversarial Imitation Learning",
        2016, eq. 1 and 15.

    Deviations:
        The bonus is the entropy in the states that were visited, as PPO and A2C have it: its
        gradient does not see that an action leads to states of more or less entropy.
    """
    least_of = (("steps", steps, 1), ("updates", updates, 1), ("batch_size", batch_size, 1))
    for argument, value, least in (*least_of, ("memory", memory, 0), ("clone", clone, 0)):
        if value < least:
            raise ValueError(f"{argument}: expected at least {least}, got {value}")
    demos = (
        load_demonstrations(demonstrations)
        if isinstance(demonstrations, str | Path)
        else demonstrations
    )
    chain, named = method(objective)
    with rng.isolated(seed):
        player = algorithms.build(
            algorithm, env or demos.env_id or None, seed, entropy=entropy, device=device
        )
        venv = cast(VecEnv, player.get_env())
        env_id = id_of(venv) or (env if isinstance(env, str) else "")
        compare(demos.env_id, env_id)
        demos = fitted(demos, player.observation_space, player.action_space)
        examine(venv)
        _suits(player, memory, clone)
        expert = demos.transitions(every, seed=seed).to(player.device)
        with recorded(player) as recording:
            learned = _learned(player, expert, chain, named, inputs, reward, absorbing, lr)
            run = Imitation(player, learned, demos, env_id)
            watch = Watch(run, steps, quiet=quiet)
            ours = _callback(player, learned, recording, updates, batch_size, memory, watch)
            if out is None:
                _clone(player, expert, clone)
                player.learn(steps, callback=[ours, *callbacks])
            else:
                shared = {
                    "every": every,
                    "inputs": inputs,
                    "form": learned.form,
                    "absorbing": absorbing,
                }
                shared |= {
                    "updates": updates,
                    "batch_size": batch_size,
                    "lr": lr,
                    "memory": memory,
                    "clone": clone,
                }
                shared |= {"seed": seed, "save_every": save_every}
                kept = _checkpoints(
                    run, ours, Path(out), recipe(repr(chain), player, demos, env_id) | shared
                )
                _go_on(
                    player,
                    kept,
                    [ours, kept, *callbacks],
                    steps,
                    lambda: _clone(player, expert, clone),
                )
        return run


def _suits(player: BaseAlgorithm, memory: int, clone: int) -> None:
    """Refuse what an algorithm cannot do."""
    name = type(player).__name__
    if memory and not isinstance(player, OnPolicyAlgorithm):
        raise ValueError(f"memory: expected 0, since {name} has a replay buffer, got {memory}")
    if clone and not isinstance(player.policy, ActorCriticPolicy):
        raise TypeError(
            f"clone: expected 0 or an algorithm with an actor-critic policy, got {clone} with {name}"
        )


def _clone(player: BaseAlgorithm, expert: Transitions, steps: int) -> None:
    if not steps:
        return
    normalise = player.get_vec_normalize_env()
    if normalise is not None:
        seen = Layout(player.observation_space).unflatten(expert.observations.cpu())
        for name, scale in moments(normalise).items():
            if scale.count < 1:  # has seen nothing yet, and would move away under the cloned policy
                scale.update((seen[name] if name else seen).numpy())
    clone_behaviour(player, expert, steps=steps)


def _go_on(
    player: BaseAlgorithm,
    kept: Checkpoints,
    callbacks: list[BaseCallback],
    steps: int,
    begin: Callable[[], None],
) -> None:
    """Train from the last checkpoint on, or begin; Ctrl-C stops at the next checkpoint, a second one at once."""
    done = kept.resume()
    if not done:
        begin()
    with between_steps() as interrupted:
        kept.interrupted = interrupted
        if done < steps:
            player.learn(steps - done, callback=callbacks, reset_num_timesteps=not done)
    if kept.stopped:
        raise KeyboardInterrupt


def _checkpoints(run: Imitation, ours: Ours, folder: Path, shared: dict[str, Any]) -> Checkpoints:
    if getattr(run.policy, "optimize_memory_usage", False):
        raise ValueError(
            "out: with optimize_memory_usage a reset would change a stored step; expected it False"
        )
    every = shared["save_every"] * run.policy.n_envs
    return Checkpoints(run, ours, folder, shared, seed=shared["seed"], every=every)


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
            raise TypeError(
                "objective: AIRL's critic needs the policy's log-probability; expected PPO, A2C or TRPO"
            )
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
    if objective.critic_output == "energy":
        return AutoencoderCritic((width,), code=max(1, width // 2))
    if objective.critic_output in ("density", "classes"):
        raise ValueError(
            f"objective: its critic scores {objective.critic_output!r}, and transitions have neither"
        )
    outputs = 16 if objective.critic_output == "vector" else 1
    if images:
        return PixelCritic(width, images, outputs)
    return MLPCritic((width,), out_features=outputs, hidden=(64, 64))


def _callback(
    player: BaseAlgorithm,
    learned: LearnedReward,
    recording: Recording | ResidentRecording,
    updates: int,
    batch_size: int,
    memory: int,
    watch: Watch,
) -> Ours:
    if isinstance(player, OnPolicyAlgorithm):
        shared: dict[str, Any] = {"updates": updates, "batch_size": batch_size, "look": watch}
        return OnPolicyReward(learned, recording, memory=memory, **shared)
    replay = Relabelled(cast(Any, player).replay_buffer, learned, player.policy)
    cast(Any, player).replay_buffer = replay
    bottom = cast(Recording, recording)
    return OffPolicyReward(
        learned, bottom, replay, every=updates, batch_size=batch_size, look=watch
    )
