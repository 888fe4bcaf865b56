"""Which objectives recover the modes of two-dimensional mixtures: a ring of 8 and a grid of 25 Gaussians, all seeds shown.

Protocol (PacGAN, section 4.1): ring of radius 1 with sigma 0.01, grid of spacing 2 with sigma 0.05, 100,000 points each;
2,500 samples; high quality = within 3 sigma of a mode; a mode counts when one high-quality sample falls on it; reverse KL of the
high-quality samples over modes against the uniform law. All families share networks, batch and optimiser; a row says its steps.
Nothing is chosen by looking at a row's own samples: the last average of the player is what is measured.
"""

import copy
import time
from collections.abc import Sequence
from typing import Any

import torch
from harness import Result, Row, arguments, compute, one_thread
from stacked import StackedBatches, StackedMLP
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.callback import Callback
from advlearn.core.chain import Chain, Defaults
from advlearn.core.discovery import aliases
from advlearn.core.spec import resolve
from advlearn.core.trainer import Trainer
from advlearn.data import Batches, Toy, grid, ring
from advlearn.engine.average import Average
from advlearn.metrics import mode_report
from advlearn.nets import IdentityCritic, MLPCritic, MLPGenerator, critic_for
from advlearn.tasks.generate import Generate

LATENT, HIDDEN, BATCH, SAMPLES = 2, (128, 128, 128), 128, 2500
LR, BETAS, EMA = 5e-4, (0.0, 0.99), 0.999
STEPS_MAIN, STEPS = 30_000, 10_000
MAIN = ("wgan-gp(weight=0.1)", "r3gan")
COLUMNS = ["objective", "data", "seed", "modes", "reverse_kl", "high_quality", "steps", "seconds", "health"]
