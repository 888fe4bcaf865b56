import io
import random

import numpy as np
import pytest
import torch

from advlearn.training.rng import get_state, isolated, set_state
from tests.training.tiny import same


def draw() -> list[float]:
    """Draw one number of each global generator; the normal draws leave a spare one."""
    return [
        torch.rand(()).item(),
        torch.randn(()).item(),
        float(np.random.rand()),
        float(np.random.randn()),
        random.random(),
        random.gauss(0, 1),
    ]


def test_draws_inside_depend_only_on_the_seed() -> None:
    draw()
    with isolated(3):
        first = draw()
    draw()
    with isolated(3):
        assert draw() == first
    with isolated(4):
        other = draw()
    assert all(a != b for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("raises", [False, True])
def test_global_generators_do_not_depend_on_the_block(raises: bool) -> None:
    draw()  # numpy and Python now hold a spare normal
    before = get_state()
    try:
        with isolated(0):
            draw()
            if raises:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert same(get_state(), before)
    after = draw()
    set_state(before)
    assert draw() == after


def test_state_goes_through_a_file_that_cannot_run_code() -> None:
    draw()
    file = io.BytesIO()
    torch.save(get_state(), file)
    expected = [draw() for _ in range(3)]
    with isolated(9):
        file.seek(0)
        set_state(torch.load(file, weights_only=True))
        assert [draw() for _ in range(3)] == expected


def test_a_state_from_other_devices_sets_the_devices_of_this_machine() -> None:
    state = get_state()
    with isolated(1):
        set_state(
            {
                **state,
                "cuda": [torch.get_rng_state()[:16]] * 64 if not torch.cuda.is_available() else [],
            }
        )
        assert torch.equal(torch.get_rng_state(), state["torch"])


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, None])
def test_an_invalid_seed_is_refused_before_anything_changes(seed: object) -> None:
    before = get_state()
    with (
        pytest.raises(ValueError, match=r"^seed: expected an integer from 0 to 4294967295, got "),
        isolated(seed),
    ):  # type: ignore[arg-type]
        pass
    assert same(get_state(), before)
