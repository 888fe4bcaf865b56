"""Build the small autoencoders of the autoencoder benchmark: KL and vector-quantised."""

from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, mse_loss, silu

Kind = Literal["kl", "vq"]
WIDTH = 16
# Channels of a latent of 7 x 7, weight of the KL term, size of the codebook, weight of commitment.
CHANNELS = {"kl": 2, "vq": 4}
KL_WEIGHT, CODES, COMMITMENT = 1e-3, 64, 0.25


@final
class Residual(nn.Module):
    """Add two convolutions to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the same shape."""
        return x + self.second(silu(self.first(silu(x))))


@final
class Autoencoder(nn.Module):
    """Code images of 28 x 28 in a latent of 7 x 7, with a KL term or a codebook.

    Args:
        kind: "kl" for a Gaussian latent, or "vq" for the nearest code of a codebook.
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        latent, out = CHANNELS[kind], CHANNELS[kind] * (2 if kind == "kl" else 1)
        self.encoder = nn.Sequential(
            *(nn.Conv2d(1, WIDTH, 4, 2, 1), nn.SiLU(), nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1)),
            *(Residual(2 * WIDTH), nn.SiLU(), nn.Conv2d(2 * WIDTH, out, 1)),
        )
        self.last = nn.Conv2d(WIDTH // 2, 1, 3, 1, 1)
        self.decoder = nn.Sequential(
            *(nn.Conv2d(latent, 2 * WIDTH, 3, 1, 1), Residual(2 * WIDTH), nn.SiLU()),
            *(nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, 2, 1), nn.SiLU()),
            *(nn.ConvTranspose2d(WIDTH, WIDTH // 2, 4, 2, 1), nn.SiLU(), self.last),
        )
        self.codes = nn.Parameter(torch.randn(CODES, latent)) if kind == "vq" else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstructions, and the weighted term of the latent."""
        code, term = self._gaussian(x) if self.codes is None else self._quantised(x, self.codes)
        return self.decoder(code), term

    def _gaussian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return mean + (0.5 * log_variance).exp() * noise, KL_WEIGHT * kl

    def _quantised(self, x: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(x).movedim(1, 3)
        nearest = torch.cdist(code.detach().flatten(0, 2), codes.detach()).argmin(1)
        chosen = embedding(nearest.view(code.shape[:3]), codes)
        term = mse_loss(chosen, code.detach()) + COMMITMENT * mse_loss(code, chosen.detach())
        # The gradient passes the rounding unchanged.
        return (code + (chosen - code).detach()).movedim(3, 1), term

    @torch.no_grad()
    def start_codes(self, x: Tensor) -> None:
        """Set the codebook to codes of these images, so that few codes stay unused."""
        if self.codes is not None:
            found = self.encoder(x).movedim(1, 3).flatten(0, 2)
            self.codes.copy_(found[torch.randperm(len(found))[:CODES]])


def reconstructed(net: nn.Module, images: Tensor) -> Tensor:
    """Return the reconstructions of images in evaluation mode, as levels from -1 to 1."""
    net.eval()
    with torch.no_grad():
        outputs: list[Any] = [net(part)[0] for part in images.split(500)]
    net.train()
    return torch.cat(outputs).clamp(-1, 1)
