"""Objects of other packages: entry points, `register` and aliases."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import advlearn
from advlearn import catalogue
from advlearn.cli import app
from advlearn.core import Chain, Method, registry
from advlearn.listing import listing
from advlearn.nets import Architecture, build, find_architecture
from advlearn.objectives import Hinge
from tests.script_server import ScriptServer

MODULE = '''
"""An objective of another package."""
from advlearn.core.objective import Pointwise


class Outside(Pointwise):
    """Compute a hinge loss."""

    loss_at_chance = 2.0

    def real_loss(self, s):
        return (1 - s).clamp(min=0)

    def fake_loss(self, s):
        return (1 + s).clamp(min=0)

    def generator_loss(self, s):
        return -s
'''
ENTRY_POINTS = """
[advlearn.objectives]
outside = outside_package:Outside
unfinished = outside_package:Missing
"""
USE = """
import torch
import advlearn
from advlearn.core import registry

run = advlearn.fit(
    "generate(latent=2)", "outside + r1", torch.randn(32, 2), steps=2, device="cpu", callbacks=()
)
run.save("run.pt")
assert advlearn.load("run.pt").sample(3).shape == (3, 2)
assert "Compute a hinge loss" in advlearn.describe("outside")
assert [b.name for b in registry.broken()] == ["unfinished"], registry.broken()
assert repr(advlearn.resolve("hinge")) == "Hinge()"
try:
    advlearn.resolve("unfinished")
except ValueError as error:
    assert "unfinished" in str(error) and "\\n" not in str(error), error
else:
    raise AssertionError("the unfinished entry point was accepted")
"""


def test_an_entry_point_is_found_everywhere(tmp_path: Path, torch_only: ScriptServer) -> None:
    (tmp_path / "outside_package.py").write_text(MODULE)
    info = tmp_path / "outside_package-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-package\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = torch_only.python("-c", USE, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr


def soft_hinge(weight: float = 0.5) -> Chain:
    """Build a hinge loss with R1."""
    return Hinge() + advlearn.resolve(f"r1(weight={weight})")


@pytest.mark.usefixtures("registered")
def test_an_alias_of_a_chain_is_a_name_in_strings_lists_and_descriptions() -> None:
    assert advlearn.register(soft_hinge, aliases=("soft_margin", "sh")) is soft_hinge
    for name in ("soft-hinge", "soft_margin", "soft-margin", "SH"):
        assert repr(advlearn.resolve(f"{name}(weight=2.0)")).startswith("Hinge() + R1(weight=2.0,")
        assert "Build a hinge loss with R1." in advlearn.describe(name)
    assert "Also called: soft_margin, sh" in advlearn.describe("soft-hinge")
    assert re.search(r"soft-hinge +\(also soft_margin, sh\) Build", listing(kind="objective"))
    assert listing(kind="objective").count("Build a hinge loss with R1.") == 1
    assert "Hinge() + R1" in CliRunner().invoke(app, ["describe", "soft-margin"]).output
    with pytest.raises(ValueError, match="did you mean 'soft_margin'"):
        advlearn.resolve("soft_margn")
    with pytest.raises(ValueError, match="expected a task or a method, got the objective 'sh'"):
        advlearn.fit("sh")


@pytest.mark.usefixtures("registered")
def test_an_alias_of_a_method_or_a_task_trains_it() -> None:
    row = Method("sharp-gan", task="generate", objective="hinge", summary="A sharp GAN.")
    advlearn.register(row, aliases=("sharp",))
    cls: Any = registry.tasks()["generate"]
    task = type("Produce", (cls,), {"__doc__": "Produce samples."})
    advlearn.register(task, aliases=("make-samples",))
    x, short = torch.randn(16, 2), {"steps": 1, "device": "cpu", "callbacks": ()}
    assert repr(advlearn.fit("sharp", data=x, **short).adversaries["data"].chain) == "Hinge()"
    assert advlearn.fit("make_samples(latent=3)", data=x, **short).config["task"] == "produce"
    assert catalogue.request("sharp + r1").method.aliases == ("sharp",)
    assert re.search(r"sharp-gan +\(also sharp\) A sharp GAN", listing("generate"))
    assert re.search(r"produce +\(also make-samples\) Produce", listing(kind="task"))
    assert "Also called: make-samples" in advlearn.describe("produce")


@pytest.mark.usefixtures("registered")
def test_an_alias_of_an_architecture_or_a_network_finds_it() -> None:
    dcgan = find_architecture("dcgan", (1, 32, 32))
    advlearn.register(
        Architecture(dcgan.generator, dcgan.critic, (32,)), name="ours", aliases=("o",)
    )
    assert find_architecture("o", (1, 32, 32)).sides == (32,)
    net: Any = type("Tiny", (type(build({"net": "MLPCritic", "shape": [2]})),), {})
    advlearn.register(net, aliases=("TinyCritic",))
    assert isinstance(build({"net": "TinyCritic", "shape": [2], "hidden": [4]}), net)
    assert re.search(r"ours +\(also o\)", listing(kind="network"))


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"aliases": ("wgan_gp",)},
            "aliases: 'wgan_gp' is taken by the objective 'wgan-gp'",
        ),
        ({"aliases": ("sh", "H1")}, "aliases: 'H1' is taken by the objective 'first'; choose"),
        ({"name": "h-1"}, "name: 'h-1' is an alias of 'first'; choose another with name="),
        ({"name": "hinge"}, "name: 'hinge' is taken by .*; choose another with name="),
        ({"aliases": "sh"}, "aliases: expected a sequence, got 'sh'; pass a list"),
    ],
)
def test_a_name_or_an_alias_that_is_taken_is_refused(arguments: Any, message: str) -> None:
    advlearn.register(lambda: Chain(Hinge()), name="first", aliases=("h1",))
    with pytest.raises(ValueError, match=f"^{message}") as refused:
        advlearn.register(soft_hinge, **arguments)
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="unknown name 'soft_hinge'"):
        advlearn.resolve("soft_hinge")
    with pytest.raises(ValueError, match="unknown name 'sh'"):
        advlearn.resolve("sh")


@pytest.mark.usefixtures("registered")
def test_registering_the_same_object_again_changes_nothing() -> None:
    row = Method("again", task="generate", objective="hinge", summary="Again.")
    for _ in range(2):
        advlearn.register(soft_hinge, aliases=("sh",))
        advlearn.register(row, aliases=("once-more",))
    with pytest.raises(ValueError, match="aliases: 'once-more' is taken by the method 'again'"):
        advlearn.register(replace(row, name="other"), aliases=("once-more",))
    with pytest.raises(ValueError, match="aliases: 'vgan' is taken by the method 'vdb'"):
        advlearn.register(replace(row, name="other"), aliases=("vgan",))
