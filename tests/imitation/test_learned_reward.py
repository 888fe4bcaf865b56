"""The critic's inputs and the learned rewards, against the formulas."""

import math

import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from torch import nn

from advlearn import Adversary
from advlearn.imitation import REWARD_SHAPES, Encoder, LearnedReward, Transitions
from advlearn.imitation.demonstrations.transitions import ABSORBING_FLAG
from advlearn.imitation.rewards.airl_critic import AIRLCritic
from advlearn.imitation.rewards.shapes import sign
from advlearn.imitation.specification import methods, specify
from advlearn.nets import IdentityCritic


def steps(n: int, seed: int = 0, terminated: tuple[int, ...] = ()) -> Transitions:
    """Return n random transitions, of which some are terminated."""
    generator = torch.Generator().manual_seed(seed)
    before, after = (3 + 2 * torch.randn(n, 3, generator=generator) for _ in range(2))
    ends = torch.zeros(n, dtype=torch.bool)
    ends[list(terminated)] = True
    return Transitions(before, torch.randint(2, (n,), generator=generator), after, ends)


def test_vectors_are_standardised_by_the_demonstrations_and_a_constant_keeps_its_scale() -> None:
    expert = steps(500)
    expert.observations[:, 2] = 7.0
    x = Encoder(expert, choices=2)(expert)
    assert torch.allclose(x[:, :2].mean(0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(x[:, :2].std(0), torch.ones(2), atol=1e-5)
    assert (x[:, 2] == 0).all() and (x[:, 3] == 0).all()
    assert torch.equal(x[:, 4:].argmax(1), expert.actions) and (x[:, 4:].sum(1) == 1).all()


@pytest.mark.parametrize("inputs", ["state-action", "state", "state-next", "state-action-next"])
def test_the_absorbing_state_has_the_size_of_a_sample_and_its_flags(inputs: str) -> None:
    some = steps(6, terminated=(5,))
    encoder = Encoder(some, choices=2, critic_inputs=inputs)  # type: ignore[arg-type]
    x, beyond = encoder(some), encoder.absorbing(2)
    assert x.shape[1] == beyond.shape[1] == encoder.width
    assert beyond[0].sum() == ABSORBING_FLAG * (2 if "next" in inputs else 1)
    if "next" in inputs:  # after an end comes the absorbing state, whatever the last observation
        assert x[5, -4:].tolist() == [0, 0, 0, ABSORBING_FLAG] and (x[:5, -1] == 0).all()


@pytest.mark.parametrize("s", [-3.0, 0.0, 2.0])
def test_shapes_equal_their_formulas(s: float) -> None:
    d = 1 / (1 + math.exp(-s))
    expected = {
        "positive": -math.log(1 - d),
        "log": math.log(d),
        "logit": math.log(d) - math.log(1 - d),
        "fairl": -s * math.exp(s),
        "clipped": max(0.0, 1 - 0.25 * (s - 1) ** 2),
    }
    assert expected.keys() == REWARD_SHAPES.keys()
    for name, value in expected.items():
        reward = float(REWARD_SHAPES[name](torch.tensor(s, dtype=torch.float64)))
        assert reward == pytest.approx(value, abs=1e-9)
        assert sign(name) * reward >= 0


def test_the_critic_of_airl_is_reward_plus_shaping_minus_log_probability() -> None:
    torch.manual_seed(0)
    critic = AIRLCritic(5, 3, gamma=0.9)
    x, o, after, log_prob = torch.randn(7, 5), torch.randn(7, 3), torch.randn(7, 3), torch.randn(7)
    continues = torch.tensor([1.0, 1, 0, 1, 0, 1, 1])
    g, h, h_after = critic.reward(x), critic.potential(o), critic.potential(after)
    expected = g + torch.where(continues > 0, 0.9 * h_after, 0.0) - h - log_prob
    assert torch.allclose(critic(x, o, after, continues, log_prob), expected, atol=1e-6)


def linear(encoder: Encoder) -> Adversary:
    critic = nn.Linear(encoder.width, 1)
    return Adversary(critic, "gan")


def test_a_last_step_gets_the_value_of_the_absorbing_state() -> None:
    some = steps(6, terminated=(1, 4))
    encoder = Encoder(some, choices=2)
    adversary = linear(encoder)
    plain, absorbing = (
        LearnedReward(adversary, encoder, some, reward_shape="logit", gamma=0.9, absorbing=kind)
        for kind in (False, True)
    )
    beyond = adversary.critic(encoder.absorbing(1))[0, 0]
    expected = plain.of(some) + torch.tensor([0.0, 9, 0, 0, 9, 0]) * beyond.detach()
    assert torch.allclose(absorbing.of(some), expected, atol=1e-5)


def test_the_critics_inputs_hold_one_absorbing_state_for_each_end() -> None:
    some = steps(6, terminated=(1, 4))
    encoder = Encoder(some, choices=2)
    learned = LearnedReward(linear(encoder), encoder, some, absorbing=True)
    samples = learned.samples(some)
    assert isinstance(samples, torch.Tensor) and samples.shape[0] == 8
    assert torch.equal(samples[6:], encoder.absorbing(2))
    shaped = Adversary(AIRLCritic(encoder.width, 4, 0.9), "gan")
    learned = LearnedReward(
        shaped, encoder, some, absorbing=True, log_prob=lambda s: torch.zeros(s.size)
    )
    x, o, after, continues, log_prob = learned.samples(some)
    assert {len(part) for part in (x, o, after, continues, log_prob)} == {8}
    assert (continues == 1).all()
    assert torch.equal(after[[1, 4]], encoder.absorbing_state(2))


def test_the_reward_of_a_set_wise_objective_is_its_witness() -> None:
    expert, policy = steps(40), steps(30, seed=1)
    encoder = Encoder(expert, choices=2)
    method = specify("gmmil")
    adversary = Adversary(IdentityCritic(), method.chain)
    learned = LearnedReward(adversary, encoder, expert, reward_shape=method.reward)
    real, fake = encoder(expert), encoder(policy)
    witness = adversary.objective.witness(fake, real, fake)  # type: ignore[operator]
    assert torch.allclose(learned.of(policy), witness, atol=1e-6)


@pytest.mark.parametrize("objective", ["gmmil", "otil"])
def test_for_a_set_wise_objective_an_end_has_the_weight_of_its_discounted_steps(
    objective: str,
) -> None:
    # Twelve equal steps and three ends with the weight of four steps each: half and half.
    once = steps(1, seed=1)
    policy = Transitions(*(part.repeat(12, *[1] * (part.ndim - 1)) for part in once))
    policy.terminated[[3, 7, 9]] = True
    expert = steps(40)
    encoder = Encoder(expert, choices=2)
    method = specify(objective)
    adversary = Adversary(IdentityCritic(), method.chain)
    learned = LearnedReward(
        adversary, encoder, expert, reward_shape=method.reward, gamma=0.8, absorbing=True
    )
    fake = torch.cat([encoder(once), encoder.absorbing(1)]).repeat(6, 1)
    points = torch.cat([encoder(policy), encoder.absorbing(3)])
    witness = adversary.objective.witness(points, encoder(expert), fake)  # type: ignore[operator]
    expected = witness[:12] + policy.terminated * 4 * witness[-1]
    assert torch.allclose(learned.of(policy), expected, atol=1e-5 * float(expected.abs().max()))
    assert witness[-1] < witness[0]  # the expert never ends


def test_a_trained_critic_rewards_the_expert_more() -> None:
    torch.manual_seed(0)
    expert = steps(400)
    policy = steps(400, seed=1)._replace(observations=expert.observations)
    encoder = Encoder(expert, choices=2)
    expert = expert._replace(actions=(expert.observations[:, 0] > 3).long())
    policy = policy._replace(actions=(expert.observations[:, 0] <= 3).long())
    critic = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
    adversary = Adversary(critic, "gan", lr=1e-2)
    learned = LearnedReward(adversary, encoder, expert, reward_shape="positive")
    for _ in range(200):
        learned.update(policy, 128)
    # The sides differ in their actions only, so at the optimum D is 1 for one and 0 for the other.
    assert learned.of(expert).median() > 2 > 0.2 > learned.of(policy).median()


@pytest.mark.parametrize("name", methods())
def test_every_method_has_an_objective_a_reward_and_a_paper(name: str) -> None:
    specification = specify(name)
    assert specification.reward in (*REWARD_SHAPES, "own") and methods()[name].paper
    more = specify(f"{name} + r1").chain.regularizers
    assert [repr(r) for r in more[:-1]] == [repr(r) for r in specification.chain.regularizers]
    assert repr(more[-1]).startswith("R1(weight=1.0, ")
