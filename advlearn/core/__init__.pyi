# Written by `make stubs`; do not edit.
"""Core classes: objective, regularizer, adversary, task, trainer, and what each builds on."""

from advlearn.core.adversary import Adversary as Adversary
from advlearn.core.chain import Chain as Chain
from advlearn.core.chain import Defaults as Defaults
from advlearn.core.critic_batch import Critic as Critic
from advlearn.core.critic_batch import CriticBatch as CriticBatch
from advlearn.core.critic_batch import Samples as Samples
from advlearn.core.described import Reference as Reference
from advlearn.core.finite import NonFiniteError as NonFiniteError
from advlearn.core.health import Health as Health
from advlearn.core.layer_capture import LayerCapture as LayerCapture
from advlearn.core.layer_capture import LayerCaptures as LayerCaptures
from advlearn.core.method import Method as Method
from advlearn.core.naming import UnknownNameError as UnknownNameError
from advlearn.core.objective import CriticOutput as CriticOutput
from advlearn.core.objective import Objective as Objective
from advlearn.core.objective import Pointwise as Pointwise
from advlearn.core.objective import Setwise as Setwise
from advlearn.core.regularizer import Regularizer as Regularizer
from advlearn.core.task import Batch as Batch
from advlearn.core.task import SamplePair as SamplePair
from advlearn.core.task import Task as Task
from advlearn.core.task import TaskOutput as TaskOutput
from advlearn.core.trainer import Callback as Callback
from advlearn.core.trainer import Trainer as Trainer
