"""Runs in threads give the results of runs by themselves, one after the other."""

import random
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import advlearn
from advlearn.core.one_thread import one_thread
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import load
from advlearn.training import rng

X = torch.randn(32, 2, generator=torch.Generator().manual_seed(1))


def fit(seed: int, **given: Any) -> torch.Tensor:
    settings = {"steps": 20, "batch_size": 8, "device": "cpu", "callbacks": (), **given}
    run = advlearn.fit("generate", "nsgan + gradient_penalty", X, seed=seed, **settings)
    return torch.cat([p.detach().flatten() for p in run.task.parameters()])


class Meet(Callback):
    """Give another thread the time to start, at the first step."""

    def __init__(self, other_waits: threading.Event) -> None:
        self.other_waits = other_waits

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == 1:
            assert self.other_waits.wait(20)


def states() -> list[Any]:
    return [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()]


def in_threads(*jobs: Callable[[], Any]) -> list[Any]:
    """Return the results of jobs that run in threads at the same time; errors are raised."""
    results: list[Any] = [None] * len(jobs)

    def work(k: int) -> None:
        try:
            results[k] = jobs[k]()
        except BaseException as error:
            results[k] = error

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_fits_in_two_threads_equal_two_fits() -> None:
    single = [fit(seed) for seed in (0, 1)]
    before = states()
    second_waits = threading.Event()

    def second() -> torch.Tensor:
        second_waits.set()
        return fit(1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = in_threads(lambda: fit(0, callbacks=[Meet(second_waits)]), second)
    assert all(map(torch.equal, found, single))
    assert states() == before


def test_the_waiting_thread_warns() -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with one_thread():
            entered.set()
            assert leave.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(20)
    # The warning comes before the thread waits; as an error it also ends the wait.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=r"^fit: another thread is training") as caught:
            fit(0)
    leave.set()
    holder.join()
    assert "\n" not in str(caught.value)
    fit(0, steps=1)


def test_a_fit_in_a_callback_trains_like_one_by_itself() -> None:
    single, inner = [fit(seed) for seed in (0, 1)], []

    class Nested(Callback):
        def on_step(self, trainer: Trainer) -> None:
            if trainer.step == 3:
                inner.append(fit(1))

    assert torch.equal(fit(0, callbacks=[Nested()]), single[0])
    assert torch.equal(inner[0], single[1])


def test_loading_data_in_a_thread_leaves_a_run_unchanged() -> None:
    class Noisy(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> torch.Tensor:
            return torch.rand(2)

    single = fit(0)
    started = threading.Event()

    def read() -> int:
        started.set()
        return len(load(Noisy()))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = in_threads(lambda: fit(0, callbacks=[Meet(started)]), read)
    assert torch.equal(found[0], single) and found[1] == 4


def test_an_error_releases_the_lock() -> None:
    with pytest.raises(ValueError, match=r"^seed: "), rng.isolated(-1):
        pass
    assert isinstance(in_threads(lambda: fit(0, steps=1))[0], torch.Tensor)


def test_two_imitations_in_two_threads_equal_two() -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from advlearn.imitation import imitate

    def go(seed: int) -> torch.Tensor:
        run = imitate("cartpole", steps=600, algorithm="dqn", seed=seed, quiet=True)
        return torch.cat([p.detach().flatten() for p in run.policy.policy.parameters()])

    single = [go(seed) for seed in (0, 1)]
    before = states()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = in_threads(lambda: go(0), lambda: go(1))
    assert all(map(torch.equal, found, single)), found
    assert states() == before
