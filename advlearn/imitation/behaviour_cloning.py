"""Behaviour cloning: maximise the likelihood of the expert's actions."""

from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from advlearn.core import distributed
from advlearn.core.arguments import Count, Positive, checked
from advlearn.core.optim import adam
from advlearn.imitation.demonstrations.transitions import Transitions
from advlearn.imitation.sb3.algorithms import observation_adapter, refuse_hidden_inputs


@checked
def clone_behaviour(
    algorithm: BaseAlgorithm,
    demonstrations: Transitions,
    *,
    steps: Count = 1000,
    batch_size: Count = 128,
    lr: Positive = 1e-3,
) -> float:
    r"""Train the policy of an on-policy algorithm to predict the expert's actions.

    .. math:: \min_\theta -E_{expert}[\log \pi_\theta(a \mid o)]

    Use it as a baseline, or to start a policy that an adversary trains afterwards.

    Args:
        algorithm: PPO, A2C, TRPO or another with an actor-critic policy; changed in place.
        demonstrations: The expert's transitions.
        steps: Steps of Adam.
        batch_size: Transitions in a step, drawn with replacement, in each of several processes,
            whose gradients are averaged.
        lr: Adam's learning rate; the algorithm's own optimiser is not used.

    Returns:
        The loss of the last step.

    Raises:
        TypeError: If the policy is not an actor-critic policy, or has a memory or masks.
        ValueError: If the demonstrations have no actions.

    Reference: Pomerleau 1991; as the baseline of Ho and Ermon 2016, section 6.
    """
    policy: Any = algorithm.policy
    if not hasattr(policy, "evaluate_actions"):
        raise TypeError(
            "algorithm: expected one with an actor-critic policy, got "
            f"{type(algorithm).__name__}; use PPO, A2C or TRPO"
        )
    refuse_hidden_inputs(algorithm, "algorithm")
    if not demonstrations.has_actions:
        raise ValueError(
            "demonstrations: expected some with actions to clone, got observations only; imitate "
            "them with critic_inputs='state-next' and without cloning"
        )
    expert = demonstrations.to(policy.device)
    adapt = observation_adapter(algorithm)
    optimizer = adam([p for p in policy.parameters() if p.requires_grad], lr=lr, betas=(0.9, 0.999))
    policy.set_training_mode(True)
    loss = torch.zeros(())
    for _ in range(steps):
        rows = distributed.randint(expert.size, batch_size, device=policy.device)
        _, log_prob, _ = policy.evaluate_actions(
            adapt(expert.observations[rows]), expert.actions[rows]
        )
        loss = -log_prob.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(policy.parameters())
        optimizer.step()
    return float(loss.detach())
