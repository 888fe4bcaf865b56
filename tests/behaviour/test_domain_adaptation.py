"""Test DomainAdaptation: which labels are used, what is compared, and what is trained."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import advlearn
from advlearn.core.grammar import resolve
from advlearn.critics import build as build_critics
from advlearn.data import ArrayDataset, batches
from advlearn.data.compound import Domains
from advlearn.data.domains import open_domains
from advlearn.fitting import fit
from advlearn.metrics import accuracy
from advlearn.nets import MLPPredictor
from advlearn.run import load
from advlearn.tasks.domain_adaptation import DomainAdaptation


def draw(n: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) + shift


A = ArrayDataset(draw(40, 0), torch.arange(40) % 3, "a", 3)
B = ArrayDataset(draw(30, 1, 1.0), torch.arange(30) % 3, "b", 3)
T = ArrayDataset(draw(50, 2, 2.0), torch.arange(50) % 3, "t", 3)


def task(**settings: Any) -> DomainAdaptation:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MLPPredictor((2,), 3, (8, 4))
    return DomainAdaptation(model, shape=(2,), **settings)


def test_labels_of_the_target_never_reach_a_batch() -> None:
    for _ in range(3):
        batch = next(batches(Domains((A,), T), 10))
        assert (batch[3] == -1).all()


def test_known_labels_of_the_target_are_trained_on() -> None:
    known = torch.where(torch.arange(50) < 8, 2 - T.y, -1)  # type: ignore[operator]
    data = open_domains((A, (T.x, T.y), known.numpy()))
    x, y, xt, yt = next(batches(data, 50 // 2))
    labelled = yt >= 0
    assert 0 < int(labelled.sum()) <= 8
    places = [T.x.tolist().index(row) for row in xt.tolist()]
    assert torch.equal(yt, known[places])
    adapting = task()
    loss = adapting((x, y, xt, yt)).loss
    net = adapting.model
    expected = cross_entropy(net(x), y) + cross_entropy(net(xt)[labelled], yt[labelled])
    torch.testing.assert_close(loss, expected)


def test_each_source_has_an_adversary() -> None:
    data = Domains((A, B), T)
    run = fit("domain_adaptation", "nsgan", data, steps=2, batch_size=8, device="cpu", callbacks=())
    assert list(run.adversaries) == ["domain0", "domain1"]
    assert data.name == "a,b->t"


def test_features_are_multiplied_by_predictions_held_fixed() -> None:
    x, y, xt, yt = next(batches(Domains((A,), T), 10))
    conditional = task(conditioning="predictions", entropy=True)
    h, p = conditional((x, y, xt, yt)).pairs["domain"].real
    assert h.requires_grad and not p.requires_grad
    sides = conditional((x, y, xt, yt)).pairs["domain"]
    q = conditional.model(xt).softmax(1)
    entropy = -(q * q.log()).sum(1)
    torch.testing.assert_close(sides.fake_weights, (1 + (-entropy).exp()).detach())
    critic = build_critics(conditional, resolve("nsgan"))["domain"]
    product = (h[:, :, None] * p[:, None]).flatten(1)
    torch.testing.assert_close(critic(h, p), critic.net(product))


def test_joint_labels_are_true_on_the_source_and_predicted_on_the_target() -> None:
    sides = task(conditioning="labels")(next(batches(Domains((A,), T), 10))).pairs["domain"]
    assert set(sides.real[1].unique().tolist()) == {0.0, 1.0}
    assert sides.fake[1].requires_grad


def test_with_a_fixed_source_only_the_target_features_are_trained() -> None:
    trained = task().model
    adda = task(source_model=trained)
    run = fit(adda, "nsgan", Domains((A,), T), steps=3, batch_size=8, device="cpu", callbacks=())
    model = run.task.model  # type: ignore[union-attr]
    for (name, before), after in zip(trained.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(before, after) == name.startswith("head"), name
    for before, after in zip(trained.parameters(), run.task.source_model.parameters(), strict=True):  # type: ignore[union-attr]
        assert torch.equal(before, after)


def test_the_second_stage_of_adda_saves_and_loads(tmp_path: Any) -> None:
    settings: dict[str, Any] = {
        "data": Domains((A,), T),
        "batch_size": 8,
        "device": "cpu",
        "callbacks": (),
    }
    first = fit("domain_adaptation(adversarial_weight=0.0)", "nsgan", steps=3, **settings)
    # The average of a model is frozen, but the features copied from it must be trained.
    second = fit(first.ema_model.adda(), "nsgan", steps=3, **settings)  # type: ignore[operator]
    assert torch.equal(second.task.source_model(A.x), first.predict(A.x))  # type: ignore[operator]
    assert not torch.equal(second.predict(T.x), first.predict(T.x))
    loaded = load(second.save(tmp_path / "run.pt"))
    assert torch.equal(loaded.predict(T.x), second.predict(T.x))
    assert torch.equal(loaded.task.source_model(A.x), first.predict(A.x))  # type: ignore[operator]


def test_an_embedding_has_the_features_of_each_domain_by_its_own_model() -> None:
    trained = task().model
    plain, adda = task(), task(source_model=trained)
    with torch.no_grad():
        for p in adda.model.parameters():
            p.add_(1)
    data = Domains((A, B), T)
    found = plain.embedding(data)
    assert list(found) == ["source a", "source b", "target t"]
    torch.testing.assert_close(found["source b"], plain.model.features(B.x).detach())  # type: ignore[operator]
    found = adda.embedding(Domains((A,), T), n=10)
    torch.testing.assert_close(found["source a"], trained.features(A.x[::4]).detach())  # type: ignore[operator]
    torch.testing.assert_close(found["target t"], adda.model.features(T.x[::5]).detach())  # type: ignore[operator]


def test_the_folder_of_a_run_has_pictures_of_both_domains(tmp_path: Any) -> None:
    fit(
        "domain_adaptation",
        "nsgan",
        Domains((A,), T),
        steps=3,
        batch_size=8,
        device="cpu",
        callbacks=(),
        out=tmp_path,
    )
    assert [path.name for path in tmp_path.glob("*.png")] == ["step-00000003.png"]


def test_the_ramp_is_that_of_the_paper() -> None:
    assert task(adversarial_weight=3.0).adversarial_weight_at(0.0) == 0
    assert math.isclose(
        task(adversarial_weight=3.0).adversarial_weight_at(0.1), 3 * (2 / (1 + math.exp(-1)) - 1)
    )
    assert task(adversarial_weight=3.0).adversarial_weight_at(0.1) == 3 * advlearn.dann_schedule(
        0.1
    )
    assert task(adversarial_weight=3.0, dann_schedule=False).adversarial_weight_at(0.0) == 3


def test_adaptation_undoes_a_shift_that_misleads_the_source_classifier() -> None:
    # The classes have unequal sizes, so that only one matching of the domains fits.
    y = (torch.arange(400) % 4 == 0).long()
    x, target = (
        torch.stack([torch.randn(400), 3.0 * y - 1.5 + 0.3 * torch.randn(400)], 1) for _ in range(2)
    )
    target[:, 1] += 2.0
    found = []
    for adversarial_weight in (0.0, 1.0):
        torch.manual_seed(0)
        game = DomainAdaptation(
            MLPPredictor((2,), 2, (16, 8)), shape=(2,), adversarial_weight=adversarial_weight
        )
        run = fit(game, "nsgan", ((x, y), target), steps=300, lr=3e-3, device="cpu", callbacks=())
        found.append(accuracy(run.predict(target), y))
    assert found[0] < 0.8 and found[1] > 0.95, found


@pytest.mark.parametrize(
    ("spec", "reason"), [("predictive", "neither an attribute nor"), ("improved-gan", "'classes'")]
)
def test_an_incompatible_objective_is_refused_with_the_reason(spec: str, reason: str) -> None:
    with pytest.raises(
        ValueError, match=r"^objective: domain_adaptation cannot use \w+\(.*\): "
    ) as error:
        fit(
            "domain_adaptation",
            spec,
            Domains((A,), T),
            steps=1,
            batch_size=8,
            device="cpu",
            callbacks=(),
        )
    assert reason in str(error.value)


def test_an_objective_that_moves_one_side_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hinge = resolve("hinge").required_objective()
    monkeypatch.setattr(type(hinge), "moves_both_sides", False)
    monkeypatch.setattr(type(hinge), "reasons", {"moves_both_sides": "made so"})
    assert (
        task().check_compatibility(hinge)
        == "it moves one side only (made so), and adaptation must move both"
    )


def test_a_saved_run_predicts_the_same(tmp_path: Any) -> None:
    run = fit(
        "domain_adaptation(conditioning='labels')",
        "mmd",
        Domains((A,), T),
        steps=2,
        batch_size=8,
        device="cpu",
        callbacks=(),
    )
    assert torch.equal(load(run.save(tmp_path / "run.pt")).predict(T.x), run.predict(T.x))


def test_images_of_other_sizes_and_colours_are_converted_to_one_shape() -> None:
    grey = ArrayDataset(torch.rand(4, 1, 16, 16), torch.arange(4) % 2, "grey", 2)
    colour = ArrayDataset(torch.rand(5, 3, 28, 28), None, "colour")
    data = open_domains((grey, colour))
    assert data.sources[0].shape == data.target.shape == (3, 28, 28)
    same = data.sources[0].x  # type: ignore[union-attr]
    assert torch.equal(same[:, 0], same[:, 2])


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("digits", r"^data: expected 'SOURCE->TARGET' such as 'mnist->usps', got 'digits'$"),
        ("->digits", r"^data: expected 'SOURCE->TARGET'"),
        ("digit->digits", r"^data: expected a folder or one of digits, .*'digit'"),
        ((ArrayDataset(draw(4, 0)), T), r"^data: expected labels in source 'data', got none"),
        (
            (A, ArrayDataset(draw(4, 0), torch.tensor([0, 1, 2, 3]), "t", 4)),
            r"^data: expected target labels below 3, the number of classes of the sources, got "
            "class 3",
        ),
        (
            (A, ArrayDataset(torch.zeros(4, 3))),
            r"^data: expected samples of shape \(3,\) like the target's in source 'a', got \(2,\)$",
        ),
        (
            (A,),
            r"^data: expected 'SOURCE->TARGET' such as .*, \(source, target\) or .*, got tuple$",
        ),
        (
            (A, T, [0, -1]),
            r"^known: expected int64 \(50,\), a class or -1 for each target sample, got "
            r"int64 \(2,\)$",
        ),
        (
            (A, T, [3] + [-1] * 49),
            r"^known: expected classes of the sources, \[0, 3\), or -1, got 3$",
        ),
        (
            (A, T, [0] + [-2] * 49),
            r"^known: expected classes of the sources, \[0, 3\), or -1, got -2$",
        ),
    ],
)
def test_mismatched_domains_are_one_line(data: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        open_domains(data)


def test_known_labels_of_another_type_are_one_line() -> None:
    with pytest.raises(
        TypeError, match=r"^known: expected integers of shape \(N,\), got float32 \(50,\)$"
    ):
        open_domains((A, T, torch.zeros(50)))


def test_a_streamed_target_is_refused_at_once_and_a_streamed_source_is_accepted() -> None:
    lazy = DataLoader(TensorDataset(A.x, torch.arange(40) % 3), batch_size=8, shuffle=True)
    with pytest.raises(
        TypeError, match=r"^data: expected a target domain in memory, got a streamed one$"
    ):
        open_domains((A, lazy))
    run = fit(
        "domain_adaptation", "nsgan", (lazy, T), steps=2, batch_size=8, device="cpu", callbacks=()
    )
    assert run.predict(T.x).shape == (50, 3)


def test_a_model_without_class_logits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^model: expected class logits \(N, K\), got \(2,\)$"):
        DomainAdaptation(nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)), shape=(2,), layer="0")
