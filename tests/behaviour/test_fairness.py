"""Test Fairness: what is compared, that weight zero is the plain model, and that it debiases."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.grammar import resolve
from advlearn.core.optim import adam
from advlearn.data import TabularDataset, batches, open_table
from advlearn.fitting import fit
from advlearn.metrics import equalized_odds_difference
from advlearn.nets import MLPPredictor
from advlearn.report import evaluate
from advlearn.run import load
from advlearn.tasks.fairness import Fairness

N = 400


def table() -> TabularDataset:
    """Make a label that depends on one feature, and a group on the other and the label."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(N, 3, generator=g)
    y = (x[:, 0] + 0.3 * torch.randn(N, generator=g) > 0).long()
    sex = (x[:, 1] + 0.8 * x[:, 0] > 0).long()
    return TabularDataset(
        x, y, {"sex": sex, "age": x[:, 1] * 10 + 40}, {"sex": ("f", "m")}, name="made"
    )


def task(**settings: Any) -> Fairness:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MLPPredictor((3,), 1, (8,))
    return Fairness(model, shape=(3,), attributes={"sex": 2, "age": 0}, **settings)


def sides(criterion: str) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Tensor]:
    batch = next(batches(table(), 100))
    round = task(criterion=criterion)(batch)
    real, fake, *_ = round.pairs["sex"]
    return real, fake, batch[1]


def counts(a: Tensor, y: Tensor) -> list[int]:
    return torch.bincount(2 * y + a, minlength=4).tolist()


def test_demographic_parity_permutes_the_attribute() -> None:
    real, fake, _ = sides("demographic_parity")
    assert torch.equal(real[0], fake[0])
    assert not torch.equal(real[1], fake[1])
    assert real[1].sum() == fake[1].sum()


def test_equalized_odds_permutes_the_attribute_within_each_class() -> None:
    real, fake, y = sides("equalized_odds")
    assert torch.equal(real[2], y) and torch.equal(fake[2], y)
    assert not torch.equal(real[1], fake[1])
    assert counts(real[1], y) == counts(fake[1], y)


def test_equalized_odds_moves_no_attribute_to_another_class() -> None:
    """All ages differ, so a single one that another class gets is found."""
    batch = next(batches(table(), 100))
    real, fake, *_ = task(criterion="equalized_odds")(batch).pairs["age"]
    ages, shuffled, y = fake[1][:, 0], real[1][:, 0], batch[1]
    assert len(ages.unique()) == 100
    for label in (0, 1):
        assert torch.equal(shuffled[y == label].sort().values, ages[y == label].sort().values)
        assert (shuffled[y == label] != ages[y == label]).float().mean() > 0.8


def test_equal_opportunity_does_not_change_the_other_class() -> None:
    real, fake, y = sides("equal_opportunity")
    assert torch.equal(real[1][y == 0], fake[1][y == 0])
    assert not torch.equal(real[1][y == 1], fake[1][y == 1])
    assert counts(real[1], y) == counts(fake[1], y)


def test_adversarial_weight_zero_is_the_plain_model_bit_for_bit() -> None:
    data = table()
    run = fit(task(adversarial_weight=0.0, sensitive=["sex"]), "predictive", data,
        steps=20, batch_size=50, lr=1e-2, device="cpu",
              callbacks=())  # fmt: skip
    plain = task().model
    optimizer = adam(list(plain.parameters()), lr=1e-2, betas=(0.5, 0.999))
    stream = batches(data, 50, seed=0)
    for _ in range(20):
        x, y, *_ = next(stream)
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(plain(x), y.float()).backward()
        optimizer.step()
    for trained, expected in zip(run.task.model.parameters(), plain.parameters(), strict=True):  # type: ignore[union-attr]
        assert torch.equal(trained, expected)


def test_the_adversary_has_no_effect_during_warmup() -> None:
    assert [
        task(adversarial_weight=2.0, warmup=0.5).adversarial_weight_at(p)
        for p in (0.0, 0.49, 0.5, 1.0)
    ] == [0, 0, 2, 2]


def test_projection_removes_the_gradient_that_helps_the_adversary() -> None:
    projecting, added = (
        task(gradient_combination=way, sensitive=["sex"]) for way in ("project", "add")
    )
    batch = next(batches(table(), 100))
    flat = dict[str, Tensor]()
    for name, game in (("project", projecting), ("add", added)):
        parameters = game.trainable_parameters()
        loss = game(batch).loss
        # The adversary's aim: a mean output as high as possible.
        against = -0.7 * game.capture.output.mean()
        for key, value in (("task", loss), ("against", against)):
            flat[key] = torch.cat(
                [g.flatten() for g in torch.autograd.grad(value, parameters, retain_graph=True)]
            )
        game.backward(loss, against, parameters)
        flat[name] = torch.cat([p.grad.flatten() for p in parameters])  # type: ignore[union-attr]
    towards, against = flat["task"], flat["against"]
    torch.testing.assert_close(flat["add"], towards + against)
    share = (towards @ against) / (against @ against)
    assert abs(float(share)) > 1e-3
    torch.testing.assert_close(flat["project"], towards - share * against + against)


def test_balanced_groups_are_drawn_equally_often() -> None:
    # 5 % of the samples are of group 1, one in ten of them with class 1.
    n = torch.arange(4000)
    sex, y = (n % 20 == 0).long(), ((n % 200 == 0) | (n % 4 == 1)).long()
    x = torch.randn(4000, 3)
    for criterion, cells, wanted in (("demographic_parity", 2, 2000), ("equalized_odds", 4, 1000)):
        game = task(criterion=criterion, balance_groups=True, sensitive=["sex"])
        _, fake, *_ = game((x, y, sex, x[:, 0])).pairs["sex"]
        counted = fake[1] if cells == 2 else fake[1] + 2 * fake[2]
        # Six standard deviations of the count in 4,000 draws.
        assert all(
            abs(count - wanted) < 200 for count in torch.bincount(counted, minlength=cells).tolist()
        )
    _, plain, *_ = task(sensitive=["sex"])((x, y, sex, x[:, 0])).pairs["sex"]
    assert torch.equal(plain[1], sex)


def test_three_groups_are_trained_and_measured() -> None:
    data = table()
    race = torch.bucketize(data.x[:, 1].contiguous(), torch.tensor([-0.5, 0.5]))
    three = TabularDataset(data.x, data.y, {"race": race}, {"race": ("a", "b", "c")})
    assert three.attributes == {"race": 3}
    for objective in ("predictive", "mmd", "wgan-gp"):
        form = "fairness(criterion='equalized_odds', balance_groups=True)"
        run = fit(form, objective, three, steps=3, batch_size=50, device="cpu", callbacks=())
        figures = evaluate(run, three)
        decided = (run.predict(three.x) > 0).long()
        rates = [float(decided[race == k].float().mean()) for k in range(3)]
        assert figures["race: demographic parity difference"] == pytest.approx(
            max(rates) - min(rates)
        )
        assert figures["race: equalized odds difference"] == equalized_odds_difference(
            three.y, decided, sensitive_features=race
        )


def test_a_stronger_adversary_removes_the_dependence() -> None:
    g = torch.Generator().manual_seed(0)
    sex, skill = torch.arange(1000) % 2, torch.randn(1000, generator=g)
    x = torch.stack([skill, sex - 0.5 + 0.1 * torch.randn(1000, generator=g)], 1)
    y = (skill + 2 * (sex - 0.5) > 0).long()
    data = TabularDataset(x, y, {"sex": sex}, {"sex": ("f", "m")})
    found = []
    for adversarial_weight in (0.0, 0.3, 3.0):
        game = Fairness(
            MLPPredictor((2,), 1, ()),
            shape=(2,),
            attributes={"sex": 2},
            adversarial_weight=adversarial_weight,
        )
        run = fit(
            game, "predictive", data, steps=300, batch_size=100, lr=2e-2, device="cpu", callbacks=()
        )
        found.append(evaluate(run, data))
    differences = [figures["sex: demographic parity difference"] for figures in found]
    assert differences[0] > 0.4 and differences[2] < 0.5 * differences[0]
    assert differences[0] > differences[1] + 0.05 > differences[2] + 0.1


def test_an_inner_layer_can_be_compared() -> None:
    inner = task(layer="features")
    real, *_ = inner(next(batches(table(), 10))).pairs["sex"]
    assert real[0].shape == (10, 8)


def test_a_regressor_is_debiased_too() -> None:
    data = table()
    of_numbers = TabularDataset(
        data.x, data.x[:, 0] * 3, data.sensitive, data.sensitive_names, name="numbers", classes=0
    )
    run = fit(
        "fairness(sensitive='age')",
        "predictive",
        of_numbers,
        steps=3,
        batch_size=50,
        device="cpu",
        callbacks=(),
    )
    assert run.predict(data.x).shape == (N,)


def test_a_saved_run_predicts_the_same(tmp_path: Any) -> None:
    run = fit(
        "fairness(sensitive='sex', adversarial_weight=2.0)", "predictive", table(), steps=3,
        batch_size=50, device="cpu",
              callbacks=())  # fmt: skip
    again = load(run.save(tmp_path / "run.pt"))
    assert torch.equal(again.predict(table().x), run.predict(table().x))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"sensitive": ["race"]}, r"^sensitive: expected attributes among sex, age, got race$"),
        (
            {"criterion": "equal_odds"},
            r"^criterion: expected one of demographic_parity, .*got 'equal_odds'$",
        ),
        (
            {"warmup": 1.5},
            r"^warmup: expected a finite number of at least 0 and at most 1, got 1.5;",
        ),
        (
            {"layer": "feature"},
            r"^layer: MLPPredictor has no layer 'feature'; did you mean 'features",
        ),
        ({"classes": 3}, r"^model: expected outputs \(N, 3\) for 3 classes, got \(N\)$"),
        (
            {"classes": 0, "criterion": "equalized_odds"},
            r"^criterion: expected 'demographic_parity' for a regressor, got 'equalized_odds'",
        ),
    ],
)
def test_a_bad_setting_is_one_line(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        task(**settings)


X, Y = torch.randn(6, 2).numpy(), [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("sensitive", "line"),
    [
        ({"sex": ["f"] * 6}, r"^sex: expected two or more groups, got only f$"),
        ({"sex": ["f", "m"]}, r"^sex: expected one value for each of 6 samples, got shape \(2,\)$"),
        (
            {"age": [1.0, 2.0, float("nan"), 4.0, 5.0, 6.0]},
            r"^age: expected a value for each sample, got nan for 1 of them, the first in sample 2",
        ),
        (
            {"sex": ["f", "m", None, "f", "m", "m"]},
            r"^sex: expected a value for each sample, got None for 1 of them, the first in sample",
        ),
        ({"sex": [1j] * 6}, r"^sex: expected groups or numbers, got complex128$"),
    ],
)
def test_a_bad_sensitive_column_is_named(sensitive: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        open_table((X, torch.tensor(Y).numpy(), sensitive))


def test_the_adversary_refuses_an_incompatible_objective() -> None:
    reason = task().check_compatibility(resolve("improved-gan").required_objective())
    assert reason is not None and "the classifier is the model" in reason


def test_combined_groups_are_trained_measured_and_saved(tmp_path: Any) -> None:
    data = table()
    race = (data.x[:, 2] > 0).long()
    both = TabularDataset(data.x, data.y, {"sex": data.sensitive["sex"], "race": race})
    run = fit(
        "fairness(combine_groups=True)", "predictive", both, steps=3, batch_size=50, device="cpu",
        callbacks=(),
    )  # fmt: skip
    assert set(run.health()) == {"sex & race"}
    figures = evaluate(run, both)
    decided = (run.predict(data.x) > 0).float()
    rates = [
        float(decided[(data.sensitive["sex"] == a) & (race == b)].mean())
        for a in (0, 1)
        for b in (0, 1)
    ]
    expected = pytest.approx(max(rates) - min(rates))
    assert figures["sex & race: demographic parity difference"] == expected
    again = load(run.save(tmp_path / "run.pt"))
    assert again.task.combine_groups and torch.equal(again.predict(data.x), run.predict(data.x))
