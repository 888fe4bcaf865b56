"""Presets of the page, and its gallery of failures: a title, what to look for, the settings."""

from typing import Any

Preset = dict[str, Any]


def _generate(objective: str, shape: str = "ring", **more: Any) -> dict[str, Any]:
    return {"kind": "generate", "objective": objective, "data": {"shape": shape}, **more}


def _rates(generator: float, critic: float, optimizer: str = "adam") -> dict[str, Any]:
    return {
        "generator_step": {"optimizer": optimizer, "lr": generator},
        "critic_step": {"optimizer": optimizer, "lr": critic},
    }


def _dirac(**more: Any) -> dict[str, Any]:
    return {"kind": "dirac", **more}


SMALL = {"layers": [8], "activation": "relu"}
FEW = {"size": 1, "kind": "gaussian"}
PRESETS: list[Preset] = [
    {
        "group": "Presets",
        "title": "Ring, the original game",
        "text": "Eight modes and the non-saturating loss of Goodfellow et al. 2014.",
        "games": [_generate("nsgan")],
    },
    {
        "group": "Presets",
        "title": "Grid, WGAN with gradient penalty",
        "text": "Twenty-five modes. The critic's slope is held near 1.",
        "games": [_generate("wgan-gp", "grid", critic_steps=3, **_rates(1e-3, 1e-3))],
    },
    {
        "group": "Presets",
        "title": "Moons, hinge loss with spectral norm",
        "text": "The norm of each layer of the critic is at most 1.",
        "games": [_generate("hinge + spectral_norm", "moons")],
    },
    {
        "group": "Presets",
        "title": "Spirals, R3GAN",
        "text": "A relativistic loss with R1 and R2.",
        "games": [_generate("rpgan + r1 + r2", "spirals", generator={"layers": [64, 64, 64]})],
    },
    {
        "group": "Presets",
        "title": "Ring without a critic: MMD",
        "text": "The generator minimises a distance between two sets of points.",
        "games": [_generate("energy-distance")],
    },
    {
        "group": "Presets",
        "title": "One seed, with and without R1",
        "text": "Two games from the same weights and noise: on the right, R1 flattens the critic.",
        "games": [_generate("nsgan", "grid"), _generate("nsgan + r1", "grid")],
    },
    {
        "group": "Other fields",
        "title": "Domain adaptation",
        "text": "Features of a rotated target move until no critic tells them apart.",
        "games": [{"kind": "adaptation"}],
    },
    {
        "group": "Other fields",
        "title": "Fairness",
        "text": "Outcomes depend on the group. The boundary turns until they do not.",
        "games": [{"kind": "fairness"}],
    },
    {
        "group": "Other fields",
        "title": "Imitation in a maze",
        "text": "Brighter places have a higher learned reward; lines are paths of the policy.",
        "games": [{"kind": "imitation", "maze": "CMaze-v0"}],
    },
    {
        "group": "Gallery of failures",
        "title": "Collapse",
        "text": "A one-dimensional noise and a fast generator: all samples chase one mode.",
        "games": [_generate("gan", "grid", noise=FEW, critic=SMALL, **_rates(1e-2, 1e-3))],
    },
    {
        "group": "Gallery of failures",
        "title": "Collapse, and R1 with R2",
        "text": "Left: collapse. Right: the same seed with a relativistic loss, R1 and R2.",
        "games": [
            _generate("gan", **_rates(5e-3, 2e-3)),
            _generate("rpgan + r1 + r2", **_rates(5e-3, 2e-3)),
        ],
    },
    {
        "group": "Gallery of failures",
        "title": "Saturation",
        "text": "The critic is ten steps ahead and the minimax loss gives almost no gradient.",
        "games": [_generate("gan", critic_steps=10, **_rates(2e-3, 1e-2))],
    },
    {
        "group": "Gallery of failures",
        "title": "Saturation, and the non-saturating loss",
        "text": "The same critic; the loss on the right keeps its gradient.",
        "games": [
            _generate("gan", critic_steps=10, **_rates(2e-3, 1e-2)),
            _generate("nsgan", critic_steps=10, **_rates(2e-3, 1e-2)),
        ],
    },
    {
        "group": "Gallery of failures",
        "title": "Dirac-GAN circles",
        "text": "One weight each. Steps in turn stay on an orbit around the equilibrium.",
        "games": [_dirac()],
    },
    {
        "group": "Gallery of failures",
        "title": "Dirac-GAN: nothing and R1",
        "text": "R1 pulls the critic's weight to zero near the data, and both reach the centre.",
        "games": [_dirac(), _dirac(objective="wasserstein + r1")],
    },
    {
        "group": "Gallery of failures",
        "title": "Dirac-GAN: extragradient and lookahead",
        "text": "The same losses; only the rule of the step differs, and both reach the centre.",
        "games": [_dirac(game="extragradient"), _dirac(game="lookahead(k=5)")],
    },
]
