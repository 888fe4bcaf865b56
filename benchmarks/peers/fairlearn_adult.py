"""Run fairlearn once on arrays of `fairness_adult.py`; arguments: a folder, a method and a seed."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch


def adversarial(data, odds: bool, deeper: bool, seed: int):
    """Return the recipe of fairlearn's documentation, or one hidden layer each and ten epochs."""
    from fairlearn.adversarial import AdversarialFairnessClassifier

    torch.manual_seed(seed)
    model = AdversarialFairnessClassifier(
        backend="torch",
        predictor_model=[64, "relu"] if deeper else [50, "leaky_relu"],
        adversary_model=[64, "relu"] if deeper else [3, "leaky_relu"],
        constraints="equalized_odds" if odds else "demographic_parity",
        alpha=1.0,
        epochs=10,
        batch_size=2**8,
        shuffle=True,
        random_state=seed,
        progress_updates=None,
    )
    model.fit(data["x"], data["y"], sensitive_features=data["sex"])
    return model.predict(data["test_x"])


def reductions(data, odds: bool, seed: int):
    """Return ExponentiatedGradient over a logistic regression."""
    from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient
    from sklearn.linear_model import LogisticRegression

    constraint = EqualizedOdds() if odds else DemographicParity()
    model = ExponentiatedGradient(LogisticRegression(max_iter=1000), constraint)
    model.fit(data["x"], data["y"], sensitive_features=data["sex"])
    return model.predict(data["test_x"], random_state=seed)


def main() -> None:
    """Train, write the decisions and print the time."""
    folder, method, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(1)
    with np.load(folder / "data.npz") as file:
        data = {name: file[name] for name in file.files}
    began = time.process_time()
    odds = method.endswith("odds")
    if method.startswith("exponentiated"):
        decided = reductions(data, odds, seed)
    else:
        decided = adversarial(data, odds, method.startswith("deeper"), seed)
    seconds = time.process_time() - began
    np.save(folder / "decided.npy", np.asarray(decided).astype(int))
    import fairlearn

    print(json.dumps({"cpu_seconds": round(seconds, 2), "version": fairlearn.__version__}))


if __name__ == "__main__":
    main()
