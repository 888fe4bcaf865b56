"""Test cross-modal generation: vectors from features, and the words nearest to them."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from advlearn.data.pairs import Pairs
from advlearn.fitting import fit
from advlearn.report import report
from advlearn.run import load
from advlearn.tasks.cross_modal import CrossModal

F = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))
V = torch.randn(24, 2, generator=torch.Generator().manual_seed(1))
WORDS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [0.0, -1.0]])


class Copy(nn.Module):
    """Return the first two features; add `loud` times the first noise value to the second."""

    def __init__(self, loud: float = 0.0) -> None:
        super().__init__()
        self.loud = nn.Parameter(torch.tensor(loud))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, :2] + self.loud * inputs[:, 3:4] * torch.tensor([0.0, 1.0])


def task(loud: float = 0.0) -> CrossModal:
    return CrossModal(Copy(loud), latent=2, shape=(3,))


def test_the_critic_compares_pairs_with_the_same_features() -> None:
    (f, v), (g, generated), *_ = cast(Any, task()((F, V)).pairs["data"])
    assert torch.equal(f, F) and torch.equal(g, F) and torch.equal(v, V)
    assert torch.equal(generated, F[:, :2])


def test_words_are_sorted_by_cosine_and_not_by_length() -> None:
    x = torch.tensor([[2.0, 1.0, 0.0], [-1.0, -2.0, 9.0]])
    assert task().retrieve(x, WORDS, k=4).tolist() == [[0, 1, 3, 2], [3, 2, 0, 1]]
    # Each vector votes only for its nearest word.
    assert task().retrieve(x, WORDS, k=1, nearest=1).tolist() == [[0], [3]]


def test_votes_rank_before_the_mean_cosine() -> None:
    # Most draws are far up or down. Their mean is near the first word, which is nearest to few of
    # them.
    x = torch.tensor([[1.0, 0.0, 0.0]])
    found = task(loud=50.0).retrieve(x, WORDS, k=2, draws=200, nearest=1)
    assert set(found[0].tolist()) == {1, 3}


def test_draws_for_one_sample_differ_by_their_noise() -> None:
    drawn = task(loud=1.0).vectors(F, draws=3)
    assert drawn.shape == (24, 3, 2)
    assert torch.equal(drawn[:, 0, 0], F[:, 0]) and not torch.equal(drawn[:, 0, 1], drawn[:, 1, 1])


def test_a_report_has_no_prediction_to_measure(capsys: pytest.CaptureFixture[str]) -> None:
    run = fit(
        "cross_modal(latent=2)",
        "nsgan",
        Pairs(F, V),
        steps=2,
        batch_size=8,
        device="cpu",
        callbacks=(),
    )
    report(run, Pairs(F, V))
    output = capsys.readouterr().out
    assert "data: " in output and "difference" not in output


def test_features_of_any_shape_train_and_a_loaded_run_predicts_the_same(tmp_path: Any) -> None:
    data = Pairs(F.view(24, 1, 3), V)
    run = fit(
        "cross_modal(latent=2)", "nsgan", data, steps=2, batch_size=8, device="cpu", callbacks=()
    )
    again = cast(CrossModal, load(run.save(tmp_path / "run.pt")).ema_model)
    torch.manual_seed(3)
    expected = cast(CrossModal, run.ema_model).vectors(data.x)
    torch.manual_seed(3)
    assert torch.equal(again.vectors(data.x), expected)


def test_mismatched_input_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^vocabulary: expected vectors \(V, 2\), got \(4, 3\)$"):
        task().retrieve(F, torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"^k: expected 1 to 4, the number of words, got 5$"):
        task().retrieve(F, WORDS, k=5)
    with pytest.raises(ValueError, match=r"^latent: expected a whole number of at least 1, got 0;"):
        CrossModal.from_data(Pairs(F, V), latent=0)
    with pytest.raises(
        ValueError,
        match=r"^data: expected vectors \(N, e\) as targets, got samples of shape \(1, 2\)$",
    ):
        CrossModal.from_data(Pairs(F, V.view(24, 1, 2)))
    with pytest.raises(
        ValueError, match=r"^generator: expected a module of samples of shape \(5,\), got"
    ):
        CrossModal(nn.Linear(4, 2), latent=2, shape=(3,))
