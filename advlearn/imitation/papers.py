"""The papers of the algorithms that a run of imitation can use."""

from advlearn.core.described import Reference

ARXIV = "https://arxiv.org/abs/"
PPO = Reference(
    "Proximal Policy Optimization Algorithms",
    "Schulman et al. 2017",
    "algorithm 1",
    ARXIV + "1707.06347",
)
# By the name of the class, or of one that it extends.
ALGORITHMS = {
    "PPO": PPO,
    "DevicePPO": PPO,
    "RecurrentPPO": PPO,
    "MaskablePPO": Reference(
        "A Closer Look at Invalid Action Masking in Policy Gradient Algorithms",
        "Huang and Ontanon 2020",
        "section 3",
        ARXIV + "2006.14171",
    ),
    "A2C": Reference(
        "Asynchronous Methods for Deep Reinforcement Learning",
        "Mnih et al. 2016",
        "algorithm S3",
        ARXIV + "1602.01783",
    ),
    "TRPO": Reference(
        "Trust Region Policy Optimization",
        "Schulman et al. 2015",
        "section 6",
        ARXIV + "1502.05477",
    ),
    "SAC": Reference(
        "Soft Actor-Critic: Off-Policy Maximum Entropy Deep Reinforcement Learning with a "
        "Stochastic Actor",
        "Haarnoja et al. 2018",
        "algorithm 1",
        ARXIV + "1801.01290",
    ),
    "DDPG": Reference(
        "Continuous Control with Deep Reinforcement Learning",
        "Lillicrap et al. 2015",
        "algorithm 1",
        ARXIV + "1509.02971",
    ),
    "TD3": Reference(
        "Addressing Function Approximation Error in Actor-Critic Methods",
        "Fujimoto et al. 2018",
        "algorithm 1",
        ARXIV + "1802.09477",
    ),
    "DQN": Reference(
        "Playing Atari with Deep Reinforcement Learning",
        "Mnih et al. 2013",
        "algorithm 1",
        ARXIV + "1312.5602",
    ),
    "QRDQN": Reference(
        "Distributional Reinforcement Learning with Quantile Regression",
        "Dabney et al. 2017",
        "algorithm 1",
        ARXIV + "1710.10044",
    ),
    "TQC": Reference(
        "Controlling Overestimation Bias with Truncated Mixture of Continuous Distributional "
        "Quantile Critics",
        "Kuznetsov et al. 2020",
        "algorithm 1",
        ARXIV + "2005.04269",
    ),
}
LIBRARY = Reference(
    "Stable-Baselines3: Reliable Reinforcement Learning Implementations",
    "Raffin et al. 2021",
    "the library",
    "https://jmlr.org/papers/v22/20-1364.html",
)
ABSORBING = Reference(
    "Discriminator-Actor-Critic: Addressing Sample Inefficiency and Reward Bias in Adversarial "
    "Imitation Learning",
    "Kostrikov et al. 2019",
    "section 4.2",
    ARXIV + "1809.02925",
)


def of_algorithm(algorithm: object) -> list[Reference]:
    """Return the paper of an algorithm, if it is known, and that of stable-baselines3.

    Args:
        algorithm: An algorithm of stable-baselines3, or of a class that extends one.

    Example:
        >>> from stable_baselines3 import DDPG
        >>> of_algorithm(DDPG("MlpPolicy", "Pendulum-v1", buffer_size=1))[0].authors
        'Lillicrap et al. 2015'
    """
    names = (cls.__name__ for cls in type(algorithm).__mro__)
    return [*[ALGORITHMS[name] for name in names if name in ALGORITHMS][:1], LIBRARY]
