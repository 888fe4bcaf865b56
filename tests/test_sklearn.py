"""Test the estimators with scikit-learn's checks, pipelines and searches."""

import pickle
import warnings
from typing import Any
from unittest import SkipTest

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import advlearn
from advlearn.sklearn import (
    AdversarialFairClassifier,
    AdversarialFairRegressor,
    DomainAdversarialClassifier,
    SemiSupervisedGANClassifier,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = np.where(X[:, 0] + 0.2 * RNG.normal(size=120) > 0, "yes", "no")
SEX = np.where(X[:, 1] + X[:, 0] > 0, "m", "f")
QUICK: dict[str, Any] = {"steps": 60, "lr": 1e-2, "random_state": 0}
ALL = [
    AdversarialFairClassifier(**QUICK),
    AdversarialFairRegressor(**QUICK),
    DomainAdversarialClassifier(**QUICK),
    SemiSupervisedGANClassifier(**QUICK),
]


UNFIT = {
    # A repeated sample is in other batches than a weighted one; see test_weights.py.
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


def named(estimator: Any) -> str:
    return type(estimator).__name__


@pytest.mark.parametrize("estimator", ALL, ids=named)
def test_the_checks_of_scikit_learn_pass(estimator: Any) -> None:
    with warnings.catch_warnings():
        # Its checks pass neither sensitive features nor domains.
        warnings.filterwarnings("ignore", message="(sensitive_features|sample_domain): got none")
        checks = [check for _, check in estimator_checks_generator(estimator)]
        passed = [passes(check, estimator) for check in checks if check.func.__name__ not in UNFIT]
    assert sum(passed) > 40


def passes(check: Any, estimator: Any) -> bool:
    """Run a check, after few steps if that is enough for it; return whether it is not skipped."""
    try:
        check(clone(estimator).set_params(steps=3))
    except SkipTest:
        # Array interfaces other than numpy's need a setting of the environment.
        assert check.func.__name__ == "check_array_api_input"
        return False
    except Exception:
        # A few checks want an estimator that has learnt.
        check(clone(estimator))
    return True


@pytest.mark.parametrize(
    ("estimator", "extra"),
    [
        (ALL[0], {"sensitive_features": SEX}),
        (ALL[1], {"sensitive_features": SEX}),
        (ALL[2], {"sample_domain": np.where(X[:, 2] > 0, 1, -1)}),
        (ALL[3], {}),
    ],
    ids=lambda p: named(p) if hasattr(p, "fit") else "",
)
def test_the_seed_decides_the_model_and_a_pickle_keeps_it(
    estimator: Any, extra: dict[str, Any]
) -> None:
    y = (Y == "yes").astype(int)
    one, other = (clone(estimator).set_params(steps=10).fit(X, y, **extra) for _ in range(2))
    seeded = clone(estimator).set_params(steps=10, random_state=1).fit(X, y, **extra)
    method = "predict_proba" if hasattr(one, "predict_proba") else "predict"
    answers = [getattr(e, method)(X) for e in (one, other, seeded, pickle.loads(pickle.dumps(one)))]
    assert np.array_equal(answers[0], answers[1]) and np.array_equal(answers[0], answers[3])
    assert not np.array_equal(answers[0], answers[2])


def test_sensitive_features_are_routed_through_pipeline_and_search() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        model = AdversarialFairClassifier(steps=10, random_state=0).set_fit_request(
            sensitive_features=True
        )
        search = GridSearchCV(
            make_pipeline(StandardScaler(), model),
            {"adversarialfairclassifier__adversarial_weight": [0.0, 1.0]},
            cv=2,
        )
        search.fit(X, Y, sensitive_features=SEX)
    assert set(search.predict(X)) <= {"yes", "no"}


def test_domains_are_routed_through_pipeline_and_search() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        model = DomainAdversarialClassifier(steps=10, random_state=0).set_fit_request(
            sample_domain=True
        )
        search = GridSearchCV(
            make_pipeline(StandardScaler(), model),
            {"domainadversarialclassifier__adversarial_weight": [0.0, 1.0]},
            cv=2,
        )
        # The two source domains and the target alternate, so that each fold has all of them.
        search.fit(X, Y, sample_domain=np.resize([1, 2, -1], 120))
    assert set(search.best_estimator_[-1].health_) == {"domain0", "domain1"}
    assert set(search.predict(X)) <= {"yes", "no"}


def test_each_source_domain_has_its_own_adversary_and_labels() -> None:
    domain = np.resize([1, 2, -1], 120)
    model = DomainAdversarialClassifier(**QUICK).fit(
        X, np.where(domain < 0, "unheard", Y), sample_domain=domain
    )
    assert set(model.health_) == {"domain0", "domain1"} and list(model.classes_) == ["no", "yes"]
    assert (model.predict(X[domain < 0]) == Y[domain < 0]).mean() > 0.8


def test_fit_takes_data_frames_with_several_attributes_and_predict_needs_none() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    sensitive = pd.DataFrame({"sex": SEX, "age": 40 + 10 * X[:, 1]})
    model = AdversarialFairClassifier(steps=5, random_state=0).fit(
        frame, pd.Series(Y), sensitive_features=sensitive
    )
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert set(model.health_) == {"sex", "age"}
    assert model.predict(frame).shape == (120,)


def test_partial_fit_continues_and_refuses_a_new_class() -> None:
    model = AdversarialFairClassifier(adversarial_weight=0.0, random_state=0, batch_size=20)
    with pytest.raises(
        ValueError,
        match=r"^classes: expected all classes in the first call of partial_fit, got None$",
    ):
        model.partial_fit(X, Y, sensitive_features=SEX)
    model.partial_fit(X, Y, classes=["no", "yes"], sensitive_features=SEX)
    before = model.predict_proba(X)
    for _ in range(20):
        model.partial_fit(X, Y, sensitive_features=SEX)
    assert not np.array_equal(before, model.predict_proba(X))
    assert (model.predict(X) == Y).mean() > 0.9
    with pytest.raises(ValueError, match=r"^y: expected classes of the first call, .*, got maybe$"):
        model.partial_fit(X, np.where(Y == "yes", "maybe", Y), sensitive_features=SEX)


def test_the_adversary_counts_in_partial_fit_of_one_batch() -> None:
    answers = []
    for adversarial_weight in (0.0, 10.0):
        model = AdversarialFairClassifier(
            adversarial_weight=adversarial_weight, lr=1e-2, random_state=0
        )
        for _ in range(40):
            model.partial_fit(X, Y, classes=["no", "yes"], sensitive_features=SEX)
        assert set(model.health_) == {"sensitive"} and model.health_["sensitive"]
        answers.append(model.predict_proba(X)[:, 1])
    gaps = [abs(p[SEX == "m"].mean() - p[SEX == "f"].mean()) for p in answers]
    assert gaps[1] < 0.5 * gaps[0], gaps


def test_partial_fit_after_fit_has_no_warmup() -> None:
    answers = []
    for adversarial_weight in (0.0, 10.0):
        model = AdversarialFairClassifier(
            adversarial_weight=adversarial_weight, warmup=1.0, steps=3, random_state=0
        )
        model.fit(X, Y, sensitive_features=SEX)
        answers.append(
            [
                model.predict_proba(X),
                model.partial_fit(X, Y, sensitive_features=SEX).predict_proba(X),
            ]
        )
    (one, one_on), (other, other_on) = answers
    assert np.array_equal(one, other) and not np.array_equal(one_on, other_on)


def test_partial_fit_reads_groups_and_numbers_as_the_first_call_did() -> None:
    race, age = np.resize(["a", "b", "c"], 120), 40 + 10 * X[:, 1]
    model = AdversarialFairClassifier(random_state=0)
    model.partial_fit(X, Y, classes=["no", "yes"], sensitive_features={"race": race, "age": age})
    assert model.groups_ == {"race": ("a", "b", "c"), "age": ()}
    # Fifteen numeric rows stay numeric, and code c keeps its value in a batch without a.
    few = np.flatnonzero(race != "a")[:15]
    more = {"age": age[few], "race": race[few]}
    table = model._table(
        torch.zeros(15, 3), torch.zeros(15, dtype=torch.int64), 2, more, first=False
    )
    assert list(table.sensitive) == ["race", "age"]
    assert table.groups("race").tolist() == race[few].tolist()
    assert np.array_equal(table.groups("age"), age[few])
    # Batches hold the numbers in the scale of the first call.
    scaled = (age[few] - age.mean()) / age.std()
    assert np.allclose(table.columns[3], scaled, atol=1e-6)
    model.partial_fit(X[few], Y[few], sensitive_features=more)


@pytest.mark.parametrize(
    ("sensitive", "line"),
    [
        (
            {"race": ["d"] * 120},
            r"^race: expected one of the groups of the training data, f, m, got d$",
        ),
        (
            {"sex": SEX},
            r"^sensitive_features: expected the columns of the first call, race, got sex$",
        ),
        (None, r"^sensitive_features: expected the columns of the first call, race, got none$"),
        (
            {"race": SEX[:3]},
            r"^race: expected one value for each of 120 samples, got shape \(3,\)$",
        ),
    ],
)
def test_sensitive_features_that_change_between_calls_are_a_one_line_error(
    sensitive: Any, line: str
) -> None:
    model = AdversarialFairClassifier(random_state=0)
    model.partial_fit(X, Y, classes=["no", "yes"], sensitive_features={"race": SEX})
    with pytest.raises(ValueError, match=line):
        model.partial_fit(X, Y, sensitive_features=sensitive)


def test_a_regressor_continues_in_the_units_of_its_first_call() -> None:
    model = AdversarialFairRegressor(adversarial_weight=0.0, lr=1e-2, batch_size=12, random_state=0)
    y = 100 + 5 * X[:, 0]
    for _ in range(20):
        model.partial_fit(X, y, sensitive_features=SEX)
    assert model.score(X, y) > 0.9
    scale = model.scale_
    model.partial_fit(X, 10 * y, sensitive_features=SEX)
    assert model.scale_ == scale


def test_partial_fit_refuses_an_incompatible_objective() -> None:
    with pytest.raises(
        ValueError, match=r"^objective: AdversarialFairClassifier cannot use .*: its critic is"
    ):
        AdversarialFairClassifier(objective="improved-gan").partial_fit(
            X, Y, ["no", "yes"], sensitive_features=SEX
        )


def test_without_sensitive_features_there_is_a_warning_and_a_plain_model() -> None:
    model = AdversarialFairClassifier(steps=20, random_state=0)
    with pytest.warns(UserWarning, match="^sensitive_features: got none, so nothing is protected"):
        plain = clone(model).fit(X, Y)
    unweighted = (
        clone(model)
        .set_params(adversarial_weight=0.0)
        .fit(X, Y, sensitive_features=np.arange(120) % 2)
    )
    assert np.array_equal(plain.predict_proba(X), unweighted.predict_proba(X))


def test_labels_of_the_target_are_not_used() -> None:
    domain = np.where(X[:, 2] > 0, 1, -1)
    nonsense = np.where(domain < 0, "unheard", Y)
    answers = [
        DomainAdversarialClassifier(steps=10, random_state=0)
        .fit(X, y, sample_domain=domain)
        .predict_proba(X)
        for y in (Y, nonsense)
    ]
    assert np.array_equal(*answers)


@pytest.mark.filterwarnings("ignore:y. the classes")
def test_known_labels_of_the_target_are_trained_on() -> None:
    # The two domains have opposite labels for the same samples, so only target labels can help.
    x, domain = np.concatenate([X, X + 8]), np.repeat([1, -1], 120)
    y = np.concatenate([Y, np.where(Y == "yes", "no", "yes")])
    known = np.arange(240) % 4 == 0
    masked = np.where(known | (domain > 0), y, "unheard")
    model = DomainAdversarialClassifier(adversarial_weight=0.0, **{**QUICK, "steps": 200})
    plain = clone(model).fit(x, y, sample_domain=domain)
    informed = clone(model).fit(x, masked, sample_domain=domain, known=known)
    assert (
        (plain.predict(x[120:]) == y[120:]).mean()
        < 0.6
        < 0.8
        < (informed.predict(x[120:]) == y[120:]).mean()
    )


@pytest.mark.parametrize(
    ("known", "line"),
    [
        (
            np.ones(120, int),
            r"^known: expected booleans \(120,\), one per sample, got int64 \(120,\)$",
        ),
        (np.ones(3, bool), r"^known: expected booleans \(120,\), one per sample, got bool \(3,\)$"),
        (
            np.ones(120, bool),
            r"^known: expected classes of the sources on the target, got 'unheard'$",
        ),
    ],
)
def test_bad_known_labels_are_one_line(known: np.ndarray, line: str) -> None:
    domain = np.where(X[:, 2] > 0, 1, -1)
    with pytest.raises(ValueError, match=line):
        DomainAdversarialClassifier(steps=1).fit(
            X, np.where(domain < 0, "unheard", Y), domain, known
        )


@pytest.mark.parametrize(
    ("domain", "line"),
    [
        (
            np.ones(120, int),
            r"^sample_domain: expected some negative \(target\) domains, got \[1\]$",
        ),
        (
            -np.ones(120, int),
            r"^sample_domain: expected some positive \(source\) domains, got \[-1\]$",
        ),
        (
            np.arange(120) - 5,
            r"^sample_domain: expected positive \(source\) or negative \(target\) domains, got 0$",
        ),
        (
            np.ones(3, int),
            r"^sample_domain: expected integers \(120,\), one per sample, got int64 \(3,\)$",
        ),
    ],
)
def test_bad_domains_are_one_line(domain: np.ndarray, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        DomainAdversarialClassifier(steps=1).fit(X, Y, sample_domain=domain)


def test_the_unlabelled_marker_is_not_a_class() -> None:
    y = (Y == "yes").astype(int)
    y[20:] = -1
    model = SemiSupervisedGANClassifier(**{**QUICK, "steps": 300}).fit(X, y)
    assert list(model.classes_) == [0, 1]
    assert ((model.predict(X) == 1) == (Y == "yes")).mean() > 0.8


DOMAIN = np.where(X[:, 2] > 0, 1, -1)
HALF = np.where(np.arange(120) < 60, (Y == "yes").astype(int), -1)


def _domains(x: np.ndarray, y: np.ndarray) -> Any:
    of_source = DOMAIN > 0
    return (x[of_source], y[of_source]), x[~of_source]


@pytest.mark.parametrize(
    ("estimator", "extra", "name", "data"),
    [
        (
            AdversarialFairClassifier(),
            {"sensitive_features": SEX},
            "fairness",
            lambda x, y: (x, y, {"sensitive": SEX}),
        ),
        (
            AdversarialFairClassifier("laftr"),
            {"sensitive_features": SEX},
            "laftr",
            lambda x, y: (x, y, {"sensitive": SEX}),
        ),
        (DomainAdversarialClassifier(), {"sample_domain": DOMAIN}, "dann", _domains),
        (DomainAdversarialClassifier("cdan+e"), {"sample_domain": DOMAIN}, "cdan+e", _domains),
        (SemiSupervisedGANClassifier(), {}, "improved-gan", lambda x, _: (x, HALF)),
    ],
    ids=["fairness", "laftr", "dann", "cdan+e", "improved-gan"],
)
def test_an_estimator_and_fit_give_the_same_model(
    estimator: Any, extra: dict[str, Any], name: str, data: Any
) -> None:
    x, y = X.astype(np.float32), (Y == "yes").astype(np.int64)
    target = HALF if name == "improved-gan" else y
    settings = {"steps": 20, "random_state": 3, "standardize": False}
    model = clone(estimator).set_params(**settings).fit(x, target, **extra)
    run = advlearn.fit(name, data=data(x, y), steps=20, seed=3, device="auto", callbacks=())
    outputs = run.predict(x).cpu().numpy()
    if outputs.ndim > 1:
        outputs = outputs[:, 1] - outputs[:, 0]
    assert np.allclose(model.decision_function(x), outputs, atol=1e-5)


def test_a_setting_means_the_same_for_an_estimator_and_for_fit() -> None:
    x, y = X.astype(np.float32), (Y == "yes").astype(np.int64)
    settings: dict[str, Any] = {
        "lr": 1e-2,
        "critic_lr": 1e-1,
        "critic_steps": 2,
        "optimizer": "rmsprop",
        "adversarial_weight": 3.0,
        "batch_size": 30,
        "steps": 5,
    }
    model = AdversarialFairClassifier(random_state=1, standardize=False, **settings)
    model.fit(x, y, sensitive_features=SEX)
    run = advlearn.fit(
        "zhang-2018", data=(x, y, {"sensitive": SEX}), seed=1, callbacks=(), **settings
    )
    assert np.allclose(model.decision_function(x), run.predict(x).cpu().numpy(), atol=1e-5)


def test_a_method_of_another_task_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^method: expected a method of fairness, got 'dann'"):
        AdversarialFairClassifier("dann").fit(X, Y, sensitive_features=SEX)
