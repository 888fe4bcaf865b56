"""Train a VQ autoencoder of digits with a patch critic, as VQ-GAN does.

The adversarial loss sets in late, and its weight is adaptive: the ratio of the gradient norms of
the reconstruction loss and of the adversarial loss at the decoder's last layer.

python examples/autoencoder_head.py [--steps 600]
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advlearn
from advlearn.data import load

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=600)
options = parser.parse_args()


class Autoencoder(nn.Module):
    """Encode 32x32 images as 8x8 indices of a codebook, and decode them."""

    def __init__(self, codes: int = 64, width: int = 16) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(width, width, 4, 2, 1), nn.SiLU(), nn.Conv2d(width, 4, 1),
        )  # fmt: skip
        self.codebook = nn.Embedding(codes, 4)
        self.decoder = nn.Sequential(
            nn.Conv2d(4, width, 3, 1, 1), nn.SiLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width, 3, 1, 1), nn.SiLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(width, 1, 3, 1, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction and the loss of the codebook."""
        z = self.encoder(x).permute(0, 2, 3, 1)
        nearest = torch.cdist(z.reshape(-1, 4), self.codebook.weight).argmin(1)
        q = self.codebook(nearest).view_as(z)
        codebook_loss = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
        q = z + (q - z).detach()  # the gradient passes the nearest code unchanged
        return self.decoder(q.permute(0, 3, 1, 2)), codebook_loss


torch.manual_seed(0)
images = load("digits-32").x
train, test = images[:-256], images[-256:]
model = Autoencoder()
critic = nn.Sequential(
    nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2),
    nn.Conv2d(16, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 3, 1, 1),
)  # fmt: skip
adversary = advlearn.Adversary(
    critic, "hinge", lr=5e-4, adversarial_weight="adaptive", start=options.steps // 3
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.5, 0.9))

for _ in range(options.steps):
    x = train[torch.randint(len(train), (32,))]
    fake, codebook_loss = model(x)
    adversary.update(x, fake)  # counts the steps, and does nothing before the start
    task_loss = F.l1_loss(fake, x)
    adversarial_loss = adversary.player_loss(
        x, fake, task_loss=task_loss, last_layer=model.decoder[-1].weight
    )
    loss = task_loss + codebook_loss + 0.1 * adversarial_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    decoded, _ = model(test)
error = F.l1_loss(decoded, test)
print(f"mean absolute error {error:.3f} on held-out digits; {adversary.health()}")
