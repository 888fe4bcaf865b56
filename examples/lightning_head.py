"""An adversarial head in a Lightning module.

The head is a plain attribute outside of Lightning's optimisers: `update` makes the critic's step,
`loss` is a term of the training loss. Two hooks put the critic and its optimiser into Lightning's
checkpoints, and `fit(ckpt_path=...)` takes them from there.

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
    """Classifier whose features are aligned between two domains."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
        self.capture = advlearn.attach(self.model, "1")
        self.saved: dict[str, Any] | None = None

    def on_train_start(self) -> None:
        """Build the head when the device is known and any checkpoint has been read."""
        critic = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)).to(self.device)
        # In a list, so that the critic's parameters are not taken for the model's.
        self.heads = [advlearn.Adversary(critic, "nsgan", lr=1e-3)]
        if self.saved is not None:
            self.heads[0].load_state_dict(self.saved)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the critic, its optimizer and the objective's state."""
        checkpoint["adversary"] = self.heads[0].state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the saved state until the head is built."""
        self.saved = checkpoint["adversary"]

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Return the source classification loss plus the adversary's loss on both domains."""
        source, y, target = batch
        logits = self.model(torch.cat([source, target]))
        one, other = self.capture.output.split([len(source), len(target)])
        self.heads[0].update(one, other)
        return nn.functional.cross_entropy(logits[: len(y)], y) + self.heads[0].loss(one, other)

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
    max_steps=options.steps, max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False, accelerator="cpu",
)  # fmt: skip
trainer.fit(module, data)
print(module.heads[0].health())
