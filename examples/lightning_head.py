"""Add an adversarial loss to a Lightning module, with manual optimisation.

The adversary is a submodule: Lightning moves it to the device and writes the critic, its optimizer
and the count of its steps to the checkpoints, from which `fit(ckpt_path=...)` restores them.
`manual_backward` runs both backward passes, and `step` moves the critic and clips its gradient.

python examples/lightning_head.py [--steps 300]
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import advlearn
from advlearn._optional_imports import torchvision

# Lightning imports torchvision, which fails with a CPU build of torch unless it is imported so.
torchvision()
import lightning  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
options = parser.parse_args()


class Adapted(lightning.LightningModule):
    """Classify with features that are aligned between two domains."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
        self.capture = advlearn.attach(self.model, "1")
        critic = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
        self.adversary = advlearn.Adversary(critic, "nsgan", lr=1e-3)

    def training_step(self, batch: list[torch.Tensor], _: int) -> None:
        """Train the critic, then the model on the source's classes and against the critic."""
        source, y, target = batch
        logits = self.model(torch.cat([source, target]))
        source_features, target_features = self.capture.output.split([len(source), len(target)])
        self.manual_backward(self.adversary.critic_loss(source_features, target_features))
        norm = self.adversary.step(clip=1.0)
        task_loss = nn.functional.cross_entropy(logits[: len(y)], y)
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(
            task_loss + self.adversary.player_loss(source_features, target_features)
        )
        optimizer.step()
        self.log_dict({"task_loss": task_loss, "critic_gradient": norm})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the model's optimizer; the adversary holds its own."""
        return torch.optim.Adam(self.model.parameters(), lr=1e-3)


lightning.seed_everything(0, verbose=False)
source, target = torch.randn(2000, 4), torch.randn(2000, 4) + 0.5
data = DataLoader(
    TensorDataset(source, (source[:, 0] > 0).long(), target), batch_size=64, shuffle=True
)
module = Adapted()
trainer = lightning.Trainer(
    max_steps=options.steps, max_epochs=-1, logger=False, enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
)  # fmt: skip
trainer.fit(module, data)
task_loss = trainer.callback_metrics["task_loss"]
print(f"task loss {task_loss:.3f}; {module.adversary.health()}")
