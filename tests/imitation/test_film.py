"""The film of a policy: pictures of one episode, or a line where there can be none."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn.imitation import imitate, record_video
from tests.imitation.counting import Counting, always_one, counting, small


class Drawn(Counting):
    """The counter as a picture of one colour, lighter as it counts."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - gymnasium's own form

    def __init__(self, render_mode: str) -> None:
        super().__init__()
        self.render_mode = render_mode

    def render(self) -> Any:
        return np.full((8, 8, 3), 20 * self.at, np.uint8)


@pytest.fixture
def drawn() -> Any:
    gym.register("Drawn-v0", Drawn)
    yield "Drawn-v0"
    gym.registry.pop("Drawn-v0")


def test_a_film_shows_one_episode_at_most_25_times_a_second(
    tmp_path: Path, drawn: str, capsys: Any
) -> None:
    run = imitate(always_one(), steps=48, algorithm=small(counting()), quiet=True)
    run.policy.predict = lambda *_, **__: (np.array([1]), None)  # type: ignore[method-assign]
    assert record_video(run, tmp_path / "film.gif", env=drawn)
    with Image.open(tmp_path / "film.gif") as pictures:
        assert (pictures.n_frames, pictures.info["duration"]) == (
            3,
            40,
        )  # states 0, 4 and 8 of 0, 2, 4, 6, 8
        shades = []
        for frame in range(3):
            pictures.seek(frame)
            shades.append(pictures.convert("RGB").getpixel((0, 0))[0])
    np.testing.assert_allclose(shades, [0, 80, 160], atol=8)
    assert capsys.readouterr().out == f"film: {tmp_path / 'film.gif'}\n"


def test_what_cannot_be_drawn_is_said_in_one_line(tmp_path: Path, capsys: Any) -> None:
    run = imitate(always_one(), steps=48, algorithm=small(counting()), quiet=True)
    assert not record_video(run, tmp_path / "film.gif", env="Nowhere-v0")
    assert "Nowhere-v0 cannot be drawn here" in capsys.readouterr().out
    assert not (tmp_path / "film.gif").exists()
