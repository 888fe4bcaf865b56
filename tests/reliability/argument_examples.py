"""Public entry points of the package, and a valid call of each for the test of arguments."""

import functools
import importlib
import inspect
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import sklearn.linear_model
import torch
from advlearn_envs import CartPole, StableBaselinesVecEnv
from torch import nn

import advlearn
from advlearn.core import registry
from advlearn.core.callback import Callback
from advlearn.critics import Inputs
from advlearn.data import ArrayDataset

# Operations on tensors that run inside networks and losses, and packages of them.
UNCHECKED_PACKAGES = ("functional", "testing")
TENSOR_OPERATIONS = ("composed", "doubled", "enlarged", "halved", "laplacian", "redrawn", "plane")
# Tools of the package itself: its lazy imports, its file names, its tables of data sets.
TOOLS = ("lazy", "atomic_write", "find", "parse", "attribute_columns", "data_dependent_init")
# Built by the library, for example by `fit`, from objects that it has checked.
BUILT_INSIDE = (
    "CriticBatch",
    "DatasetInfo",
    "Health",
    "ImageReport",
    "LayerCapture",
    "LayerCaptures",
    "Method",
    "Reference",
    "TaskOutput",
    "ZippedBatches",
)
# Downloads its weights where it is not given a file.
NEEDS_DOWNLOAD = ("Inception",)
# Base classes without arguments.
BASES = ("Game", "Network", "Objective", "Regularizer", "Task")


def callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield each public function and class that takes arguments, with its name."""
    left_out = {*TENSOR_OPERATIONS, *TOOLS, *BUILT_INSIDE, *BASES, *NEEDS_DOWNLOAD}
    packages = ["", *(f".{p}" for p in advlearn.PACKAGES if p not in UNCHECKED_PACKAGES)]
    seen: set[int] = set()
    for package in packages:
        module = importlib.import_module(f"advlearn{package}")
        for name in getattr(module, "__all__", dir(module)):
            thing = getattr(module, name)
            if (
                name.startswith("_")
                or name in left_out
                or id(thing) in seen
                or not _is_entry(thing)
            ):
                continue
            seen.add(id(thing))
            yield name, thing


def _is_entry(thing: Any) -> bool:
    if not callable(thing) or not getattr(thing, "__module__", "").startswith("advlearn"):
        return False
    if inspect.isclass(thing) and (
        issubclass(thing, tuple | BaseException)
        or getattr(thing, "_is_protocol", False)
        or inspect.isabstract(thing)
    ):
        return False
    return bool(named_parameters(thing))


def named_parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a callable, without those in stars."""
    parameters = inspect.signature(call).parameters.values()
    return [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def points(*shape: int) -> torch.Tensor:
    """Return the same normal numbers for each shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


CLASSES = torch.arange(24) % 2
GROUPS = np.arange(24) // 3 % 2
IMAGES = points(24, 1, 16, 16).clamp(-1, 1)


@functools.cache
def data() -> ArrayDataset:
    """Return images with two classes."""
    return ArrayDataset(IMAGES, CLASSES, "images", 2)


@functools.cache
def task() -> Any:
    """Return a small task of generation."""
    return registry.tasks()["generate"].from_data(plane())


@functools.cache
def plane() -> ArrayDataset:
    """Return points of the plane."""
    return ArrayDataset(points(24, 2), None, "points")


@functools.cache
def adversary() -> Any:
    """Return a small adversary."""
    return advlearn.Adversary(nn.Linear(2, 1), "hinge")


@functools.cache
def run() -> Any:
    """Return a run of one step."""
    return advlearn.fit("generate", "hinge", plane(), steps=1, callbacks=(), device="cpu")


@functools.cache
def imitation() -> Any:
    """Return a short run of imitation."""
    return advlearn.imitation.imitate("cartpole", "bc", bc_steps=1, quiet=True)


@functools.cache
def saved(kind: str) -> str:
    """Return a file with a run, demonstrations or a reward, or a folder with an expert."""
    folder = Path(tempfile.mkdtemp())
    if kind == "run":
        return str(run().save(folder / "run.pt"))
    if kind == "reward":
        return str(advlearn.imitation.save_reward(imitation().reward, folder / "reward.pt"))
    if kind == "zoo":
        return str(imitation().save(folder / "ppo" / "CartPole-v1_1"))
    if kind == "hdf5" and find_spec("h5py"):
        h5py: Any = import_module("h5py")
        with h5py.File(folder / "demos.hdf5", "w") as file:
            columns = {"observations": np.zeros((4, 2)), "actions": np.zeros((4, 1))}
            columns |= {"rewards": np.zeros(4), "terminals": np.arange(4) == 3}
            for name, values in columns.items():
                file[name] = values
        return str(folder / "demos.hdf5")
    demonstrations = imitation().demonstrations
    return str(advlearn.imitation.save_demonstrations(demonstrations, folder / "demos.npz"))


def fair_data() -> tuple[Any, Any, Any]:
    """Return samples, labels and a sensitive feature."""
    return points(24, 3).numpy(), GROUPS, 1 - np.arange(24) % 2


def episode() -> Any:
    """Return one episode in the form of Minari."""
    return SimpleNamespace(
        observations=np.zeros((4, 2)),
        actions=np.zeros(3, int),
        rewards=np.zeros(3),
        terminations=np.array([False, False, True]),
    )


def transitions() -> Any:
    """Return the transitions of the packaged demonstrations."""
    return imitation().demonstrations.transitions(1, seed=0)


def trajectories() -> Any:
    """Return one trajectory in the form of the library `imitation`."""
    return [SimpleNamespace(obs=np.zeros((4, 2)), acts=np.zeros(3, int), terminal=True)]


# Values of required parameters by name; a key "callable.parameter" has precedence.
EXAMPLES: MappingProxyType[str, Callable[[], Any]] = MappingProxyType(
    {
        # Sizes of networks.
        **{name: lambda: 4 for name in ("latent", "channels", "before", "after", "noise")},
        **{name: lambda: 3 for name in ("outputs", "out_features", "features")},
        "in_features": lambda: 66,
        "PixelCritic.images": lambda: [(1, (1, 8, 8))],
        "shape": lambda: (1, 16, 16),
        **{f"{k}.shape": lambda: (1, 32, 32) for k in ("PatchGANCritic", "encoder_for")},
        "CategoricalCritic.features": lambda: 6,
        "base_channels": lambda: 2,
        "MultiScaleCritic.base_channels": lambda: 16,
        "sigma": lambda: 0.5,
        "reference": lambda: 2,
        "ReferenceBatch.reference": lambda: points(4, 3),
        "net": lambda: nn.Linear(4, 3),
        "layer": lambda: nn.Linear(3, 2),
        "config": lambda: advlearn.nets.MLP(2, 1, (4,)).config(),
        "find_architecture.name": lambda: "dcgan",
        # Tasks, critics and training.
        "attach.layer": lambda: "0",
        "attach.model": lambda: nn.Sequential(nn.Linear(2, 2)),
        "task": task,
        "critic": lambda: nn.Linear(2, 1),
        "objective": lambda: advlearn.resolve("hinge"),
        "inputs": lambda: Inputs(((2,),)),
        "shapes": lambda: ((2,),),
        "adversaries": lambda: {"generated": adversary()},
        "adversary": adversary,
        "Trainer.data": lambda: iter(()),
        "steps": lambda: 1,
        "ema_model": task,
        "Run.config": dict,
        "progress": lambda: 0.5,
        "spec": lambda: "hinge",
        "name": lambda: "hinge",
        "every": lambda: 1,
        "measure": lambda: len,
        "columns": lambda: dict,
        "points": lambda: dict,
        "latent_plots.model": task,
        "latent_plots": lambda: dict,
        "SampleGrid.samples": lambda: torch.rand,
        "SampleGrid.columns": lambda: dict,
        # Data.
        **dict.fromkeys(("source", "target", "data", "a", "b", "labelled", "unlabelled"), data),
        "digits": lambda: advlearn.data.load("digits"),
        "Toy.data": plane,
        "sources": lambda: (data(),),
        "dataset": lambda: torch.utils.data.TensorDataset(points(8, 2)),
        "StreamedBatches.batch_size": lambda: 4,
        "batches.batch_size": lambda: 4,
        "table.x": lambda: points(24, 3),
        "table.y": lambda: CLASSES,
        "table.sensitive": lambda: CLASSES,
        "StreamedBatches.source": lambda: advlearn.data.StreamedDataset(
            torch.utils.data.TensorDataset(points(8, 2)), "points", (2,)
        ),
        "open_domains.data": lambda: (data(), data()),
        "open_unpaired.data": lambda: (data(), data()),
        "open_pairs.data": lambda: (IMAGES, IMAGES),
        "open_semi_supervised.data": lambda: (data(), data()),
        "open_table.data": lambda: (points(24, 3), CLASSES, CLASSES),
        "count": lambda: 4,
        "centres": lambda: points(3, 3),
        "Toy.centres": lambda: points(3, 2),
        "batch_size": lambda: 4,
        "mean": lambda: 0.0,
        "std": lambda: 1.0,
        "n": lambda: 24,
        "values": lambda: GROUPS,
        "encode_attribute_like.labels": lambda: ("0", "1"),
        "prior.name": lambda: "gaussian",
        "images": lambda: IMAGES,
        # Metrics and plots.
        **{
            name: lambda: points(24, 3) for name in ("x", "y", "samples", "stored", "train", "test")
        },
        **{name: lambda: points(24, 3) + 1 for name in ("real", "fake", "validation", "held_out")},
        "TabularDataset.y": lambda: CLASSES,
        "predictions": lambda: CLASSES,
        "inception_score.predictions": lambda: points(24, 3),
        **{name: lambda: CLASSES for name in ("labels", "real_labels", "fake_labels")},
        **{name: lambda: GROUPS for name in ("groups", "y_true", "y_pred", "sensitive_features")},
        **{
            name: lambda: GROUPS
            for name in ("source_labels", "source_predictions", "target_predictions")
        },
        **{f"proxy_a_distance.{k}": lambda: points(24, 3) for k in ("source", "target")},
        **{f"reverse_validation.{k}": lambda: points(24, 3) for k in ("source", "target")},
        "critic_features.critic": lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 2), nn.ReLU()),
        **{
            f"{name}.critic": lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 1))
            for name in ("guided_gradients", "guided_backpropagation")
        },
        "n_classes": lambda: 2,
        "kid.subset_size": lambda: 4,
        "kid.subsets": lambda: 2,
        **{f"wasserstein_1d.{k}": lambda: points(24) for k in ("x", "y")},
        "group_metrics.metrics": lambda: {"same": lambda a, b: float((a == b).mean())},
        "CategoricalCritic.groups": lambda: 3,
        "mean1": lambda: torch.zeros(2),
        "mean2": lambda: torch.zeros(2),
        "cov1": lambda: torch.eye(2),
        "cov2": lambda: torch.eye(2),
        "extractor": lambda: nn.Flatten(),
        "features.model": lambda: nn.Flatten(),
        **{f"image_report.{k}": lambda: IMAGES for k in ("samples", "real")},
        "sampled_report.samples": lambda: IMAGES,
        "sampled_report.train": data,
        **{name: lambda: points(24, 3) for name in ("logits", "codes")},
        "posterior": lambda: points(24, 2).softmax(1),
        "posterior_report.prior": lambda: points(24, 3),
        "grid": lambda: [0.1, 1.0],
        "bandwidth": lambda: 0.5,
        "k": lambda: 2,
        "panels": lambda: {"a": {"b": points(4, 2)}},
        "before_after.columns": lambda: {"a": IMAGES[:2], "b": IMAGES[:2]},
        "z0": lambda: points(2, 4),
        "z1": lambda: points(2, 4),
        "interpolation.sample": lambda: lambda z: IMAGES[: len(z)],
        "interpolation.steps": lambda: 3,
        "spherical.steps": lambda: 3,
        "mixed": lambda: lambda a, b: IMAGES[: len(a)],
        "coarse": lambda: points(2, 4),
        "fine": lambda: points(2, 4),
        **{f"nearest_training_images.{k}": lambda: IMAGES for k in ("samples", "real")},
        "traversal.sample": lambda: lambda z: IMAGES[: len(z)],
        "latents": lambda: points(2, 4),
        "places": lambda: (0,),
        **{f"{k}.values": lambda: points(3, 1) for k in ("traversal", "varied")},
        **{f"{k}.images": lambda: IMAGES.view(4, 6, 1, 16, 16) for k in ("image_table", "pixels")},
        # Estimators.
        "frontier.estimator": lambda: advlearn.sklearn.AdversarialFairClassifier(steps=1),
        "disparity.estimator": lambda: advlearn.sklearn.AdversarialFairClassifier(steps=1).fit(
            *fair_data()
        ),
        "GroupThresholds.estimator": lambda: sklearn.linear_model.LogisticRegression(),
        "adaptation_scorer.name": lambda: "information_maximisation",
        "fairness_scorer.name": lambda: "equalized_odds_difference",
        "as_rows.columns": lambda: {"sex": GROUPS},
        "Point.adversarial_weight": lambda: 1.0,
        "Point.score": lambda: 0.9,
        "Point.disparity": lambda: 0.1,
        "Point.estimator": lambda: advlearn.sklearn.AdversarialFairClassifier(),
        "Scaling.shift": lambda: np.zeros(3),
        "Scaling.scale": lambda: np.ones(3),
        "frontier.train": fair_data,
        "frontier.test": fair_data,
        "frontier.adversarial_weights": lambda: (0.0,),
        "truncation.sample": lambda: lambda z, t: IMAGES[: len(z)],
        "truncation.z": lambda: points(2, 4),
        "truncation.values": lambda: (0.5, 1.0),
        "save_image_grid.samples": lambda: IMAGES[:4],
        # Imitation.
        "demonstrations": lambda: imitation().demonstrations,
        "Encoder.demonstrations": transitions,
        "LearnedReward.demonstrations": transitions,
        "clone_behaviour.demonstrations": transitions,
        "clone_behaviour.steps": lambda: 1,
        "binary_codes.steps": lambda: 1,
        "near_duplicates.steps": lambda: 1,
        "LearnedReward.encoder": lambda: imitation().reward.encoder,
        "imitate.method": lambda: "bc",
        "imitate.bc_steps": lambda: 1,
        "imitate.quiet": lambda: True,
        "DevicePPO.policy": lambda: "MlpPolicy",
        "DevicePPO.env": lambda: StableBaselinesVecEnv(CartPole(2)),
        "load.path": lambda: saved("run"),
        "load_demonstrations.path": lambda: saved("demonstrations"),
        "load_reward.path": lambda: saved("reward"),
        "from_huggingface.dataset": lambda: [
            {"obs": [[0.0]] * 4, "acts": [0, 1, 0], "rews": [0.0] * 3, "terminal": True}
        ],
        "from_hdf5.path": lambda: saved("hdf5"),
        "from_frames.frames": lambda: [
            {"episode_index": 0, "observation.state": [0.0], "action": [float(t)]} for t in range(4)
        ],
        "zoo_expert.folder": lambda: saved("zoo"),
        "zoo_expert.trust": lambda: True,
        "from_minari.dataset": lambda: SimpleNamespace(iterate_episodes=lambda: iter([episode()])),
        "env": lambda: imitation().policy.get_env(),
        "venv": lambda: imitation().policy.get_env(),
        "policy": lambda: imitation().policy,
        "algorithm": lambda: imitation().policy,
        "reward": lambda: imitation().reward,
        "run": imitation,
        "method": lambda: "gail",
        "episodes": lambda: 1,
        "observations": lambda: np.zeros((5, 2)),
        "actions": lambda: np.zeros(4, int),
        "lengths": lambda: np.array([4]),
        "terminated": lambda: np.array([True]),
        "arrays": lambda: {
            "observations": np.zeros((5, 2)),
            "actions": np.zeros(4, int),
            "episode_lengths": np.array([4]),
            "terminated": np.array([True]),
        },
        "trajectories": trajectories,
        # A short run instead of the defaults.
        "fit.task": lambda: "generate",
        "fit.objective": lambda: "hinge",
        "fit.data": plane,
        "fit.steps": lambda: 1,
        "fit.batch_size": lambda: 4,
        "fit.callbacks": lambda: (Callback(),),
        "fit.device": lambda: "cpu",
    }
)
# Optional parameters that a base call also sets, to keep it small.
SMALL = ("base_channels",)
