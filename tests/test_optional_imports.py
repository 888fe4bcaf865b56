"""Test late imports of optional packages, in processes that have imported only torch."""

import os
from pathlib import Path

import pytest

from tests.script_server import ScriptServer

ROOT = Path(__file__).resolve().parents[1]

TORCHVISION = """
import torch
import advlearn._optional_imports

warnings.simplefilter("error")
vision = advlearn._optional_imports.torchvision()
assert vision is sys.modules["torchvision"]
assert advlearn._optional_imports.torchvision() is vision

torch.manual_seed(0)
network = vision.models.resnet18(weights=None).eval()
assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 1000)

pixels = torch.arange(16, dtype=torch.uint8).reshape(1, 4, 4)
image = vision.transforms.ToPILImage()(pixels)
assert torch.equal(vision.transforms.ToTensor()(image), pixels / 255)

images = [torch.full((1, 2, 2), float(i)) for i in range(4)]
grid = vision.utils.make_grid(images, nrow=2, padding=0)
assert torch.equal(grid[0, ::2, ::2], torch.tensor([[0.0, 1.0], [2.0, 3.0]]))

to_tensor = vision.transforms.ToTensor()
data = vision.datasets.FakeData(size=3, image_size=(1, 4, 4), transform=to_tensor)
assert len(data) == 3 and data[0][0].shape == (1, 4, 4)
"""

# A program, or another package, may have tried to import torchvision and caught the error.
FAILED_BEFORE = """
try:
    import torchvision
except RuntimeError as error:
    assert "torchvision::nms" in str(error)
"""

POT = """
import torch
import advlearn._optional_imports

os.environ["POT_BACKEND_DISABLE_PYTORCH"] = "set by the user"
os.environ["POT_BACKEND_DISABLE_CUPY"] = ""
switches = {name: value for name, value in os.environ.items() if name.startswith("POT_")}
warnings.simplefilter("error")
ot = advlearn._optional_imports.ot()
assert switches == {name: value for name, value in os.environ.items() if name.startswith("POT_")}
assert advlearn._optional_imports.ot() is ot
assert ot.backend.torch is torch
assert not ot.backend.tf and not ot.backend.jax and not ot.backend.cp

# By hand: half of the mass has to move, by 1.
step = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
whole, half = torch.tensor([1.0, 0.0]).double(), torch.full((2,), 0.5, dtype=torch.float64)
assert ot.emd2(whole, half, step).item() == 0.5

# The diagonal is cheapest, 1 against 2.5. By the envelope theorem the gradient is the plan.
cost = torch.tensor([[1.0, 3.0], [2.0, 1.0]], dtype=torch.float64, requires_grad=True)
value = ot.emd2(half, half, cost)
value.backward()
assert value.item() == 1.0
assert torch.equal(cost.grad, torch.eye(2, dtype=torch.float64) / 2)
"""

LAZY = """
import advlearn._optional_imports
from advlearn.core.grammar import resolve

# Resolving a name imports all objectives and regularizers; the compiler takes over a second.
resolve("hinge + r1")
HEAVY = {"torch._dynamo", "torchvision", "ot", "sklearn", "matplotlib", "tensorboard"}
heavy = HEAVY & set(sys.modules)
assert not heavy, heavy
"""

PACKAGES = """
import advlearn.data, advlearn.metrics, advlearn.plots, advlearn.training

HEAVY = {"torch._dynamo", "torchvision", "ot", "sklearn", "matplotlib", "tensorboard", "rich"}
heavy = HEAVY & set(sys.modules)
assert not heavy, heavy
for package in (advlearn.data, advlearn.metrics, advlearn.plots, advlearn.training):
    assert all(hasattr(package, name) for name in package.__all__)
"""


def run(server: ScriptServer, script: str, *search: Path) -> None:
    path = os.pathsep.join(str(folder) for folder in (*search, ROOT))
    code = f"import os, sys, warnings\n{script}"
    result = server.python("-c", code, env={**os.environ, "PYTHONPATH": path})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("before", ["", FAILED_BEFORE], ids=["fresh", "after-a-failed-import"])
def test_torchvision_works_with_any_build_of_torch(before: str, torch_only: ScriptServer) -> None:
    run(torch_only, before + TORCHVISION)


def test_pot_uses_torch_and_imports_no_other_array_library(
    tmp_path: Path, torch_only: ScriptServer
) -> None:
    # Stand-ins that end the process when imported, on the path before installed packages.
    for name in ("tensorflow", "jax", "cupy"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n")
    run(torch_only, POT, tmp_path)


@pytest.mark.parametrize("script", [LAZY, PACKAGES], ids=["names", "packages"])
def test_nothing_heavy_is_imported_before_it_is_needed(
    script: str, torch_only: ScriptServer
) -> None:
    run(torch_only, script)
