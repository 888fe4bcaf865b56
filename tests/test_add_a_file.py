"""A new objective, regularizer, architecture or method of imitation is one new file.

No list is edited, also not in the tests.
"""

import os
import shutil
from dataclasses import dataclass
from inspect import getfile
from pathlib import Path

import pytest

import advlearn
from advlearn.nets import architectures
from tests.script_server import ScriptServer

PACKAGE = Path(advlearn.__file__).parent
TESTS = Path(__file__).parent

OBJECTIVE = '''
"""The exponential loss of scores."""

from typing import final

from torch import Tensor

from advlearn.core.described import Reference
from advlearn.core.objective import Pointwise

REFERENCE = Reference("A Title", "Author 2020", "eq. 1", "https://example.org")


@final
class Exponential(Pointwise):
    """Compute the exponential loss of a critic's scores."""

    @property
    def loss_at_chance(self) -> float:
        return 2.0

    def real_loss(self, scores: Tensor) -> Tensor:
        return (-scores).exp()

    def fake_loss(self, scores: Tensor) -> Tensor:
        return scores.exp()

    def generator_loss(self, scores: Tensor) -> Tensor:
        return (-scores).exp()


ALIASES = {"exp-gan": Exponential}
'''

REGULARIZER = '''
"""A penalty on the size of scores."""

from typing import final

from torch import Tensor

from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference("A Title", "Author 2020", "eq. 1", "https://example.org")


@final
class DriftPenalty(Regularizer):
    """Penalise the squared scores of real samples.

    Args:
        weight: Weight of the penalty.
    """

    def __init__(self, weight: float = 0.001) -> None:
        super().__init__()
        self.weight = weight

    def penalty(self, batch: CriticBatch) -> Tensor:
        return self.weight * batch.mean_real(batch.scores[0].square())
'''

IMITATION = '''
"""A method that learns a policy from pairs of states."""

from advlearn.core.described import Reference
from advlearn.core.method import Method

METHODS = (
    Method(
        "state-gail",
        task="imitation",
        objective="gan + r1",
        summary="Reward a policy for state transitions of the expert.",
        paper=Reference("A Title", "Author 2020", "eq. 1", "https://example.org"),
        options={"reward": "logit", "critic_inputs": "state-next", "batch_size": 32},
        data="cartpole",
        aliases=("gail-from-states",),
    ),
)
'''


@dataclass(frozen=True)
class Copy:
    """A copy of the package and its tests, and a process in which it is not imported yet."""

    root: Path
    server: ScriptServer


@pytest.fixture
def copy(tmp_path: Path, torch_only: ScriptServer) -> Copy:
    """Copy the package and its tests to a temporary folder."""
    # With the bytecode, which is valid for a copy with the same times; not with what another
    # process is writing.
    skip = shutil.ignore_patterns("device", "*.pyc.*")
    shutil.copytree(PACKAGE, tmp_path / "advlearn", ignore=skip)
    shutil.copytree(TESTS, tmp_path / "tests", ignore=skip)
    root = TESTS.parent
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(root / name, tmp_path / name)
    return Copy(tmp_path, torch_only)


def run(copy: Copy, code: str, file: str, name: str) -> str:
    """Run Python code in the copy and then the tests of a file that concern one name.

    Both run in one process. Return the output; fail with it on an error, or if there are no tests.
    """
    environment = {**os.environ, "PYTHONPATH": str(copy.root)}
    tests = ["-q", "-p", "no:cacheprovider", file, "-k", name]
    program = f"import sys, pytest\n{code}\nsys.exit(pytest.main({tests!r}))"
    done = copy.server.python("-c", program, cwd=copy.root, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout, done.stdout
    return done.stdout


def test_an_objective_needs_one_file(copy: Copy) -> None:
    (copy.root / "advlearn" / "objectives" / "exponential.py").write_text(OBJECTIVE)
    printed = run(
        copy,
        "import advlearn; print(advlearn.__file__); "
        "print(advlearn.resolve('exp-gan + r1')); print(advlearn.describe('exponential'))",
        "tests/conformance/test_objectives.py",
        "Exponential",
    )
    assert str(copy.root) in printed
    assert "Exponential() + R1(weight=1.0, " in printed
    assert "Compute the exponential loss" in printed and "Author 2020" in printed


def test_a_regularizer_needs_one_file(copy: Copy) -> None:
    (copy.root / "advlearn" / "regularizers" / "drift.py").write_text(REGULARIZER)
    printed = run(
        copy,
        "import advlearn; print(advlearn.resolve('wgan-gp + drift_penalty(weight=0.1)')); "
        "print(advlearn.describe('drift-penalty'))",
        "tests/conformance/test_regularizers.py",
        "DriftPenalty",
    )
    assert "DriftPenalty(weight=0.1)" in printed and "Penalise the squared scores" in printed


def test_an_architecture_needs_one_file(copy: Copy) -> None:
    original = Path(getfile(architectures()["dcgan"].generator))
    target = copy.root / original.relative_to(PACKAGE.parent).with_name("tinygan.py")
    target.write_text(original.read_text().replace("DCGAN", "TinyGAN"))
    printed = run(
        copy,
        "import advlearn; "
        "task = 'generate(architecture=\"tinygan\", base_channels=4)'; "
        "run = advlearn.fit(task, steps=1, batch_size=4, device='cpu', callbacks=()); "
        "print(tuple(run.sample(2).shape))",
        "tests/nets/test_architectures.py",
        "tinygan and sides or tinygan and shapes",
    )
    assert "(2, 1, 8, 8)" in printed


def test_a_method_of_imitation_is_one_file(copy: Copy) -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    (copy.root / "advlearn" / "methods" / "state_gail.py").write_text(IMITATION)
    printed = run(
        copy,
        "import advlearn; from advlearn.imitation import methods; "
        "from advlearn.listing import listing; print('state-gail' in methods()); "
        "print(listing()); print(advlearn.describe('state-gail')); "
        "run = advlearn.fit('gail-from-states', steps=64, device='cpu', quiet=True); "
        "print(run.reward.encoder.critic_inputs, run.reward.reward_shape); "
        "print(run.policy.num_timesteps)",
        "tests/imitation/test_methods.py",
        "state-gail",
    )
    first, *rest = printed.splitlines()
    assert first == "True" and "Author 2020" in printed
    assert any("state-gail" in line and "Reward a policy for state" in line for line in rest)
    steps = rest[rest.index("state-next logit") + 1]
    assert int(steps) >= 64
