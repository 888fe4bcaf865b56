"""Behaviour cloning: the policy that makes the expert's actions most likely."""

from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy

from advlearn.core.optim import adam
from advlearn.imitation.demonstrations.transitions import Transitions
from advlearn.imitation.sb3.algorithms import observation_adapter


def clone_behaviour(
    algorithm: BaseAlgorithm,
    demonstrations: Transitions,
    *,
    steps: int = 1000,
    batch_size: int = 128,
    lr: float = 1e-3,
) -> float:
    r"""Train the policy of an on-policy algorithm on demonstrations, as a baseline or before an adversary takes over.

    .. math:: \min_\theta -E_{expert}[\log \pi_\theta(a \mid o)]

    Args:
        algorithm: PPO, A2C, TRPO or another with an actor-critic policy; changed in place.
        demonstrations: The expert's transitions.
        steps: Steps of Adam.
        batch_size: Pairs in a step, drawn with replacement.
        lr: Adam's learning rate; the algorithm's own optimiser is not touched.

    Returns:
        The loss of the last step.

    Raises:
        TypeError: If the policy gives no log-probability of an action.
        ValueError: If the demonstrations have no actions.

    Reference: Pomerleau 1991; as the baseline of Ho and Ermon 2016, section 6.
    """
    policy: Any = algorithm.policy
    if not isinstance(policy, ActorCriticPolicy):
        raise TypeError(
            f"algorithm: expected one with an actor-critic policy, got {type(algorithm).__name__}"
        )
    if not demonstrations.has_actions:
        raise ValueError(
            "demonstrations: expected some with actions to clone, got observations alone"
        )
    pairs = demonstrations.to(policy.device)
    seen = observation_adapter(algorithm)
    optimizer = adam([p for p in policy.parameters() if p.requires_grad], lr=lr, betas=(0.9, 0.999))
    policy.set_training_mode(True)
    loss = torch.zeros(())
    for _ in range(steps):
        rows = torch.randint(pairs.size, (batch_size,), device=policy.device)
        _, log_prob, _ = policy.evaluate_actions(
            seen(pairs.observations[rows]), pairs.actions[rows]
        )
        loss = -log_prob.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return float(loss.detach())
