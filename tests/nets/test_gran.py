"""Test GRAN: an image is the sum of its strokes, each decoded from the encoded last one."""

import pytest
import torch

from advlearn.nets.families.gran import GRANGenerator

LATENT, SHAPE = 5, (2, 8, 8)


def generator(steps: int = 3, **settings) -> GRANGenerator:
    return GRANGenerator(LATENT, SHAPE, base_channels=4, steps=steps, hidden=6, **settings)


@torch.no_grad()
def open_eyes(net: GRANGenerator) -> None:
    """Give the encoder's output a weight, so that strokes differ."""
    for p in net.encoder.parameters():
        p.mul_(20)


def test_the_image_is_the_last_canvas_and_canvases_are_sums_of_strokes():
    net, z = generator(4).eval(), torch.randn(3, LATENT)
    open_eyes(net)
    canvases = net.drawing(z)
    assert canvases.shape == (3, 4, *SHAPE)
    torch.testing.assert_close(net(z), canvases[:, -1])
    strokes = torch.atanh(canvases.double()).diff(dim=1)
    idea = net.idea(z)
    stroke = net.decoder(torch.cat([idea, torch.zeros(3, 6)], 1), 0)
    torch.testing.assert_close(canvases[:, 0], stroke.tanh())
    for k in range(3):
        stroke = net.decoder(torch.cat([idea, net.norms[k](net.encoder(stroke)).tanh()], 1), k + 1)
        torch.testing.assert_close(strokes[:, k].float(), stroke, atol=1e-4, rtol=1e-3)


def test_one_step_does_not_use_the_encoder():
    net = generator(1)
    net(torch.randn(3, LATENT)).sum().backward()
    assert all(p.grad is None for p in net.encoder.parameters())
    assert all(p.grad is not None for p in net.decoder.parameters())


def test_fewer_steps_give_the_first_canvases_of_more_steps():
    more = generator(3)
    fewer = generator(2)
    norms_of_more = [
        name for name in more.state_dict() if name.startswith(("norms.1", "decoder.norms.2"))
    ]
    assert fewer.load_state_dict(more.state_dict(), strict=False).unexpected_keys == norms_of_more
    z = torch.randn(3, LATENT)
    torch.testing.assert_close(fewer.drawing(z), more.drawing(z)[:, :2])


def test_each_step_has_its_own_statistics():
    """With the same latents in every pass, each norm's mean is that of its inputs in its step."""
    net, z = generator(), torch.randn(16, LATENT)
    open_eyes(net)
    norms, inputs = [*net.norms, *(norms[0] for norms in net.decoder.norms)], {}
    for k, norm in enumerate(norms):
        norm.register_forward_hook(
            lambda module, args, out, k=k: inputs.setdefault(k, []).append(args[0].detach())
        )
    for _ in range(100):
        net(z)
    for k, norm in enumerate(norms):
        assert len(inputs[k]) == 100, "once in each pass"
        last = inputs[k][-1]
        torch.testing.assert_close(
            norm.running_mean, last.transpose(0, 1).flatten(1).mean(1), rtol=1e-3, atol=1e-3
        )


def test_without_a_bound_the_strokes_are_added_unchanged():
    net, z = generator(tanh_output=False).eval(), torch.randn(3, LATENT)
    canvases = net.drawing(z)
    torch.testing.assert_close(
        canvases[:, 0], net.decoder(torch.cat([net.idea(z), torch.zeros(3, 6)], 1), 0)
    )


@pytest.mark.parametrize("name", ["steps", "hidden"])
def test_bad_sizes_are_one_line(name):
    with pytest.raises(ValueError, match=f"{name}: expected a whole number of at least 1"):
        GRANGenerator(LATENT, SHAPE, **{name: 0})
