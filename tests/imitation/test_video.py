"""Videos of a policy: the frames of one episode, or a line if it cannot be rendered."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from advlearn.imitation import imitate, record_video
from tests.imitation.counting import Counting, always_one, counting, small


class Drawn(Counting):
    """Render the counter as one shade of grey, lighter as it counts."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - gymnasium's own form

    def __init__(self, render_mode: str, shade: int = 20) -> None:
        super().__init__()
        self.shade = shade
        self.render_mode = render_mode

    def render(self) -> Any:
        return np.full((8, 8, 3), self.shade * self.count, np.uint8)


@pytest.fixture
def drawn() -> Any:
    gym.register("Drawn-v0", Drawn)
    yield "Drawn-v0"
    gym.registry.pop("Drawn-v0")


def test_a_video_shows_one_episode_at_most_25_times_a_second(
    tmp_path: Path, drawn: str, capsys: Any
) -> None:
    run = imitate(always_one(), steps=48, algorithm=small(counting()), quiet=True)
    run.policy.predict = lambda *_, **__: (np.array([1]), None)  # type: ignore[method-assign]
    assert record_video(run, tmp_path / "video.gif", env=drawn)
    with Image.open(tmp_path / "video.gif") as video:
        # Counts 0, 4 and 8 of 0, 2, 4, 6, 8.
        assert (video.n_frames, video.info["duration"]) == (3, 40)
        shades = []
        for frame in range(3):
            video.seek(frame)
            shades.append(video.convert("RGB").getpixel((0, 0))[0])
    np.testing.assert_allclose(shades, [0, 80, 160], atol=8)
    assert capsys.readouterr().out == f"video: {tmp_path / 'video.gif'}\n"


def test_a_video_shows_the_environment_of_the_training(tmp_path: Path, drawn: str) -> None:
    venv = make_vec_env(drawn, 1, env_kwargs={"shade": 5})
    run = imitate(always_one(), steps=48, algorithm=small(VecNormalize(venv)), quiet=True)
    run.policy.predict = lambda *_, **__: (np.array([1]), None)  # type: ignore[method-assign]
    assert record_video(run, tmp_path / "video.gif")
    with Image.open(tmp_path / "video.gif") as video:
        video.seek(2)
        assert video.convert("RGB").getpixel((0, 0))[0] == pytest.approx(40, abs=8)


def test_an_environment_that_cannot_be_rendered_prints_one_line(
    tmp_path: Path, capsys: Any
) -> None:
    run = imitate(always_one(), steps=48, algorithm=small(counting()), quiet=True)
    assert not record_video(run, tmp_path / "video.gif", env="Nowhere-v0")
    printed = capsys.readouterr().out
    assert "video: Nowhere-v0 cannot be rendered here" in printed and printed.count("\n") == 1
    assert not (tmp_path / "video.gif").exists()
