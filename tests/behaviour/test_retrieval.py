"""Test IRGAN: the policy gradient is that of the enumerated expectation, and the only one."""

import itertools
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.grammar import resolve
from advlearn.critics import build as build_critics
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.run import load
from advlearn.tasks.retrieval import Retrieval, score_weights

DOCUMENTS = 3
X = torch.randn(24, 2, generator=torch.Generator().manual_seed(0))
QUERIES = ArrayDataset(X, torch.arange(24) % DOCUMENTS, "queries", DOCUMENTS)


class TabularDataset(nn.Module):
    """A critic with one learned score per document for every query."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, x: Tensor, d: Tensor) -> Tensor:
        return self.scores[d]


@pytest.mark.parametrize("objective", ["nsgan", "gan", "lsgan", "wgan"])
@pytest.mark.parametrize("samples_per_query", [2, 3])
def test_the_mean_gradient_is_that_of_the_enumerated_loss(
    objective: str, samples_per_query: int
) -> None:
    logits = torch.tensor([0.3, -0.8, 1.1], dtype=torch.float64, requires_grad=True)
    adversary = Adversary(TabularDataset([0.5, -1.0, 2.0]), objective)
    x = torch.zeros(samples_per_query, 1)
    pairs = [(x, d.expand(samples_per_query)) for d in torch.arange(DOCUMENTS)]
    with torch.no_grad():
        losses = [adversary.player_loss(pair, pair).double() for pair in pairs]
    exact = (logits.softmax(0) * torch.stack(losses)).sum()
    (wanted,) = torch.autograd.grad(exact, [logits])
    found = torch.zeros_like(wanted)
    for chosen in itertools.product(range(DOCUMENTS), repeat=samples_per_query):
        d = torch.tensor(chosen)
        log_p = logits.log_softmax(0)[d]
        loss = adversary.player_loss((x, d), (x, d), None, score_weights(log_p[None])[0])
        found += log_p.sum().exp().detach() * torch.autograd.grad(loss, [logits])[0]
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
    assert wanted.abs().max() > 0.01


def test_a_critic_with_equal_scores_moves_nothing() -> None:
    task = Retrieval(
        nn.Linear(2, DOCUMENTS),
        shape=(2,),
        samples_per_query=4,
    )
    loss = Adversary(TabularDataset([0.7] * DOCUMENTS), "nsgan").player_loss(
        *task(next_batch()).pairs["data"]
    )
    for gradient in torch.autograd.grad(loss, task.trainable_parameters()):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-7)


def next_batch() -> tuple[Tensor, Tensor]:
    assert QUERIES.y is not None
    return X, QUERIES.y


def test_weights_are_one_and_documents_are_drawn_by_their_probability() -> None:
    task = Retrieval(nn.Linear(2, DOCUMENTS), shape=(2,), samples_per_query=5000)
    with torch.no_grad():
        task.retriever.weight.zero_()  # type: ignore[union-attr,operator]
        task.retriever.bias.copy_(torch.tensor([0.6, 0.3, 0.1]).log())  # type: ignore[union-attr,operator]
    real, fake, of_real, weights = task(next_batch()).pairs["data"]
    assert of_real is None and weights is not None and weights.shape == (24 * 5000,)
    assert torch.equal(weights, torch.ones_like(weights)) and weights.requires_grad
    queries, drawn = cast(tuple[Tensor, Tensor], fake)
    assert (
        torch.equal(queries[:5000], X[:1].expand(5000, 2))
        and cast(tuple[Tensor, Tensor], real)[0] is X
    )
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    # Six standard errors.
    torch.testing.assert_close(
        shares, torch.tensor([0.6, 0.3, 0.1]), rtol=0, atol=6 * (0.24 / len(drawn)) ** 0.5
    )


def test_a_critic_step_does_not_change_the_retriever_or_free_its_graph() -> None:
    task = Retrieval(nn.Linear(2, DOCUMENTS), shape=(2,))
    adversary = Adversary(build_critics(task, resolve("nsgan"))["data"], "nsgan")
    sides = task(next_batch()).pairs["data"]
    adversary.update(*sides)
    assert all(p.grad is None for p in task.trainable_parameters())
    adversary.player_loss(*sides).backward()
    assert all(p.grad is not None and p.grad.any() for p in task.trainable_parameters())


def test_a_retriever_learns_the_documents_that_a_fixed_critic_rewards() -> None:
    task = Retrieval(nn.Linear(2, DOCUMENTS), shape=(2,))
    adversary = Adversary(TabularDataset([0.0, 3.0, -1.0]), "nsgan")
    optimizer = torch.optim.Adam(task.trainable_parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        adversary.player_loss(*task(next_batch()).pairs["data"]).backward()
        optimizer.step()
    assert (task.predict(X).softmax(1)[:, 1] > 0.9).all()
    assert (task.retrieve(X, 1) == 1).all()


def test_health_works_for_a_document_outside_its_sample() -> None:
    adversary = Adversary(TabularDataset([0.0] * 10), "nsgan")
    x, drawn = torch.randn(300, 2), torch.zeros(300, dtype=torch.int64)
    drawn[-1] = 9
    with torch.no_grad():
        adversary.player_loss((x[:8], drawn[:8]), (x, drawn))
    assert adversary.health().verdict


def test_the_critic_sorts_documents_by_its_score_of_each_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor, d: Tensor) -> Tensor:
            return x[:, 0] * d - self.training * 100 * d

    monkeypatch.setattr("advlearn.tasks.retrieval.JUDGED", 7)
    task, critic = Retrieval(nn.Linear(2, DOCUMENTS), shape=(2,)), Pair()
    torch.testing.assert_close(task.judge(X, critic), X[:, :1] * torch.arange(3))
    rising = [2, 1, 0]
    expected = [rising if x > 0 else rising[::-1] for x in X[:, 0].tolist()]
    assert task.rank(X, critic, 3).tolist() == expected and task.rank(X, critic, 1).shape == (24, 1)
    assert critic.training
    given = build_critics(task, resolve("nsgan"))["data"]
    torch.testing.assert_close(
        task.judge(X, given)[5], given(X[5].expand(3, 2), torch.arange(3)).detach()
    )
    with pytest.raises(ValueError, match=r"^k: expected 1 to 3, the number of documents, got 4$"):
        task.rank(X, critic, 4)


def test_a_saved_run_retrieves_the_same(tmp_path: Any) -> None:
    run = fit(
        "retrieval(samples_per_query=3)",
        "nsgan",
        QUERIES,
        steps=3,
        batch_size=8,
        device="cpu",
        callbacks=(),
    )
    again = load(run.save(tmp_path / "run.pt"))
    assert (
        torch.equal(again.predict(X), run.predict(X))
        and cast(Retrieval, again.ema_model).samples_per_query == 3
    )


def test_mismatched_input_is_one_line() -> None:
    task = Retrieval.from_data(QUERIES)
    assert task.check_compatibility(resolve("hinge").required_objective()) is None
    assert "pairs or sets" in str(task.check_compatibility(resolve("rpgan").required_objective()))
    with pytest.raises(ValueError, match=r"^k: expected 1 to 3, the number of documents, got 4$"):
        task.retrieve(X, 4)
    with pytest.raises(
        ValueError, match=r"^samples_per_query: expected a finite number of at least 2, got 1;"
    ):
        Retrieval.from_data(QUERIES, samples_per_query=1)
    with pytest.raises(
        ValueError, match=r"^data: expected the number of a relevant document as label, got none in"
    ):
        Retrieval.from_data(ArrayDataset(X, None, "bare"))
    with pytest.raises(
        ValueError,
        match=r"^retriever: expected scores \(N, D\) of two or more documents, got \(2, 1\)",
    ):
        Retrieval(nn.Linear(2, 1), shape=(2,))
