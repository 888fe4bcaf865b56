"""Rewards of single transitions, absorbing states by default, and actions at their bounds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn.imitation import Demonstrations, Encoder, Transitions, imitate, load_reward
from advlearn.imitation.demonstrations.validation import validate_demonstrations
from tests.imitation.counting import Counting, always_one, counting, small


@pytest.mark.parametrize("method", ["gmmil", "otil"])
@pytest.mark.parametrize("absorbing", [False, True])
def test_a_transition_has_one_reward_alone_and_in_a_batch(
    method: str, absorbing: bool, tmp_path: Path
) -> None:
    run = imitate(
        always_one(), method, steps=96, algorithm=small(counting()), absorbing=absorbing,
        quiet=True,
    )  # fmt: skip
    steps = always_one().transitions()
    together = run.reward.of(steps)
    alone = torch.cat([run.reward.of(steps.at(slice(i, i + 1))) for i in range(steps.size)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    run.save(tmp_path)
    torch.testing.assert_close(load_reward(tmp_path).of(steps), together, rtol=1e-4, atol=1e-5)


def ragged(ends: tuple[bool, bool] = (True, True)) -> Demonstrations:
    demos: Any = always_one()
    return Demonstrations(
        demos.observations[:10], demos.actions[:8], np.array([5, 3]), np.array(ends)
    )


def test_episodes_that_end_at_different_lengths_continue_in_an_absorbing_state(
    capsys: Any,
) -> None:
    def absorbs(demos: Demonstrations, **settings: Any) -> bool:
        return imitate(demos, steps=48, algorithm=small(counting()), **settings).reward.absorbing

    assert absorbs(ragged())
    assert "ended demonstrations of 3 to 5 steps" in capsys.readouterr().err
    assert not absorbs(always_one(), quiet=True) and not absorbs(ragged((False, False)), quiet=True)
    assert not absorbs(ragged(), absorbing=False, quiet=True)
    assert not capsys.readouterr().err
    learner = small(counting(), gamma=1.0)
    with pytest.raises(ValueError, match=r"^gamma: expected below 1 with absorbing states"):
        imitate(ragged(), steps=48, algorithm=learner, quiet=True)
    assert learner.num_timesteps == 0


def test_the_critics_inputs_are_clipped() -> None:
    expert = Transitions.of(
        1e-4 * torch.randn(50, 2), 1e-4 * torch.randn(50, 1), torch.zeros(50, 2), torch.zeros(50)
    )
    far = Transitions.of([[1.0, -1.0]], [[1.0]], [[0.0, 0.0]], [False])
    assert Encoder(expert)(far)[0].tolist() == [10.0, -10.0, 0.0, 10.0]


def test_actions_are_fitted_to_their_space() -> None:
    env, discrete = Counting(True), Counting()
    box = type(env.action_space)(-0.7, 0.7, (1,), np.float32)
    demos = always_one(True)
    rounded = replace(demos, actions=np.full((10, 1), 0.7))
    fitted: Any = validate_demonstrations(rounded, env.observation_space, box).actions
    assert fitted.max() <= box.high.max()
    with pytest.raises(ValueError, match=r"got 1 to 1; pass clip=True or rescale them$"):
        validate_demonstrations(demos, env.observation_space, box)
    clipped: Any = validate_demonstrations(demos, env.observation_space, box, clip=True).actions
    assert (clipped == box.high).all()
    for actions in (np.ones((10, 1), np.int64), np.ones(10), np.ones((10, 1))):
        given = replace(always_one(), actions=actions)
        found: Any = validate_demonstrations(
            given, discrete.observation_space, discrete.action_space
        )
        assert found.actions.tolist() == [1] * 10 and found.actions.dtype == np.int64
    with pytest.raises(ValueError, match="expected int actions"):
        validate_demonstrations(
            replace(always_one(), actions=np.full(10, 0.5)),
            discrete.observation_space,
            discrete.action_space,
        )
