"""Add an adversarial loss to a Lightning module.

The adversary is a plain attribute, and Lightning does not manage its optimizer: `update` makes a
critic step, and `player_loss` is a term of the training loss. Two hooks add the critic and its
optimizer to Lightning's checkpoints, from which `fit(ckpt_path=...)` restores them.

python examples/lightning_head.py [--steps 300]
"""

import argparse
from typing import Any

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import advlearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
options = parser.parse_args()


class Adapted(lightning.LightningModule):
    """Classify with features that are aligned between two domains."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
        self.capture = advlearn.attach(self.model, "1")
        self.saved: dict[str, Any] | None = None

    def on_train_start(self) -> None:
        """Build the adversary when the device is known and any checkpoint has been read."""
        critic = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)).to(self.device)
        # A list keeps the critic's parameters out of the module's parameters.
        self.adversaries = [advlearn.Adversary(critic, "nsgan", lr=1e-3)]
        if self.saved is not None:
            self.adversaries[0].load_state_dict(self.saved)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the critic, its optimizer and the objective's state."""
        checkpoint["adversary"] = self.adversaries[0].state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the saved state until the adversary is built."""
        self.saved = checkpoint["adversary"]

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Return the source classification loss plus the adversary's loss on both domains."""
        source, y, target = batch
        logits = self.model(torch.cat([source, target]))
        source_features, target_features = self.capture.output.split([len(source), len(target)])
        self.adversaries[0].update(source_features, target_features)
        return nn.functional.cross_entropy(logits[: len(y)], y) + self.adversaries[0].player_loss(
            source_features, target_features
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the model's optimizer only."""
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
print(module.adversaries[0].health())
