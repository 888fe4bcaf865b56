"""Check every architecture: shapes, classes, gradients and training at every image size."""

import copy

import pytest
import torch

from advlearn.core.critic_batch import mixes_samples
from advlearn.core.features import features
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.nets import architectures, build, find_architecture

CASES = [
    (name, side, classes)
    for name, f in architectures().items()
    for side in f.sides
    for classes in (0, 3)
]
SMALLEST = [
    (name, min(f.sides), classes) for name, f in architectures().items() for classes in (0, 3)
]
LATENT, WIDTH, CHANNELS = 8, 4, 3


def pair(name: str, side: int, classes: int, out_features: int = 1):
    torch.manual_seed(0)
    shape = (CHANNELS, side, side)
    architecture = find_architecture(name, shape)
    generator = architecture.generator(
        LATENT, shape, base_channels=WIDTH, classes=classes, tanh_output=True
    )
    return generator, architecture.critic(shape, out_features, base_channels=WIDTH, classes=classes)


def labels(classes: int, n: int = 4):
    return (torch.arange(n) % classes,) if classes else ()


def at_every_level(*nets):
    """Yield once for most networks and once per level for growing networks."""
    grown = [net for net in nets if hasattr(net, "grow")]
    for level in range(max((net.doublings for net in grown), default=0), -1, -1):
        for net in grown:
            net.grow(level)
        yield level


@pytest.mark.parametrize(("name", "side", "classes"), CASES)
def test_shapes_at_every_side(name, side, classes):
    generator, critic = pair(name, side, classes)
    with torch.no_grad():
        x = generator(torch.randn(4, LATENT), *labels(classes))
        assert x.shape == (4, CHANNELS, side, side) and x.isfinite().all() and x.abs().max() <= 1
        score = critic(x, *labels(classes))
        assert score.shape[0] == 4 and score.isfinite().all()
        assert pair(name, side, classes, 5)[1](x, *labels(classes)).shape == (4, 5)


@pytest.mark.parametrize(("name", "side", "classes"), SMALLEST)
def test_the_features_of_a_critic_are_of_the_image(name, side, classes):
    _, critic = pair(name, side, classes)
    if not any(isinstance(module, torch.nn.Linear) for module in critic.modules()):
        pytest.skip("this critic scores patches, and has no linear layer whose inputs are features")
    x = torch.randn(4, CHANNELS, side, side, requires_grad=True)
    features(critic, (x, *labels(classes))).square().sum().backward()
    assert x.grad is not None and x.grad.flatten(1).any(1).all()


@pytest.mark.parametrize(("name", "side", "classes"), SMALLEST)
def test_a_generator_step_reaches_every_weight_of_the_generator(name, side, classes):
    generator, critic = pair(name, side, classes)
    for net in (generator, critic):
        # A parameter that starts at zero on purpose (a gate, a last layer) stops the gradient in
        # the first step.
        for p in net.parameters():
            if not p.any():
                torch.nn.init.normal_(p, std=0.1)
    # Every random choice of a network is made more than once, so that each one occurs.
    for _ in range(3):
        for _ in at_every_level(generator, critic):
            (
                critic(generator(torch.randn(4, LATENT), *labels(classes)), *labels(classes)) ** 2
            ).sum().backward()
    for which, net in (("generator", generator), ("critic", critic)):
        missed = [
            n
            for n, p in net.named_parameters()
            if p.requires_grad and (p.grad is None or not p.grad.any())
        ]
        assert not missed, f"{which}: {missed}"


@pytest.mark.parametrize(("name", "side", "classes"), SMALLEST)
def test_a_config_and_the_weights_rebuild_the_network(name, side, classes):
    z, y = torch.randn(4, LATENT), labels(classes)
    generator, critic = pair(name, side, classes)
    x = torch.rand(4, CHANNELS, side, side)
    for net, of in ((generator, z), (critic, x)):
        twin = build(net.config())
        twin.load_state_dict(net.state_dict())
        for one in (twin, copy.deepcopy(net)):
            torch.manual_seed(1)
            expected = net.eval()(of, *y)
            torch.manual_seed(1)
            assert torch.equal(one.eval()(of, *y), expected)


@pytest.mark.parametrize(("name", "side", "classes"), SMALLEST)
def test_a_critic_scores_samples_independently_or_is_marked(name, side, classes):
    critic = pair(name, side, classes)[1].eval()
    if mixes_samples(critic):
        return
    x, y = torch.rand(4, CHANNELS, side, side), labels(classes)
    torch.testing.assert_close(
        critic(x, *y)[:2], critic(x[:2], *(part[:2] for part in y)), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", architectures())
def test_classes_change_the_output_and_are_required(name):
    side = min(architectures()[name].sides)
    generator, critic = pair(name, side, 3)
    for p in (*generator.parameters(), *critic.parameters()):
        if not p.any():
            torch.nn.init.normal_(p, std=0.1)
    z, x = torch.randn(4, LATENT), torch.rand(4, CHANNELS, side, side)
    with torch.no_grad():
        for net, of in ((generator.eval(), z), (critic.eval(), x)):
            outputs = []
            for c in (0, 1):
                torch.manual_seed(0)
                outputs.append(net(of, torch.full((4,), c)))
            assert not torch.equal(*outputs)
            with pytest.raises(ValueError, match="y: expected class indices"):
                net(of)
    plain = pair(name, side, 0)
    for net, of in zip(plain, (z, x), strict=True):
        with pytest.raises(ValueError, match="unconditional"):
            net(of, torch.zeros(4, dtype=torch.int64))


@pytest.mark.parametrize("name", architectures())
def test_a_one_hot_vector_equals_its_class(name):
    side = min(architectures()[name].sides)
    y = torch.tensor([2, 0, 1, 2])
    for net, of in zip(
        pair(name, side, 3),
        (torch.randn(4, LATENT), torch.rand(4, CHANNELS, side, side)),
        strict=True,
    ):
        for p in net.parameters():
            if not p.any():
                torch.nn.init.normal_(p, std=0.1)
        outputs = []
        for given in (y, torch.eye(3)[y], torch.randn(4, 3)):
            torch.manual_seed(0)
            outputs.append(net.eval()(of, given))
        torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(outputs[2], outputs[0], rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match=r"y: expected class indices .* or vectors \(N, 3\)"):
            net(of, torch.randn(4, 5))


@pytest.mark.parametrize("name", architectures())
def test_bad_input_is_one_line(name):
    side = min(architectures()[name].sides)
    generator, critic = pair(name, side, 0)
    with pytest.raises(ValueError, match="z: expected shape"):
        generator(torch.zeros(2, LATENT + 1))
    with pytest.raises(ValueError, match="x: expected shape"):
        critic(torch.zeros(2, CHANNELS + 1, side, side))
    with pytest.raises(ValueError, match="base_channels: expected a whole number of at least 1"):
        find_architecture(name, (CHANNELS, side, side)).generator(
            LATENT, (CHANNELS, side, side), base_channels=0
        )
    any_size = architectures()[name].any_size
    other = (CHANNELS, 4, side) if any_size else (CHANNELS, side, side + 1)
    with pytest.raises(ValueError, match=r"architecture: expected (square )?images"):
        find_architecture(name, other)


@pytest.mark.parametrize("name", architectures())
@pytest.mark.parametrize("objective", ["r3gan", "mmd-gan", "hinge + spectral_norm"])
def test_fit_trains_every_architecture(name, objective):
    side = min(architectures()[name].sides)
    data = ArrayDataset(torch.rand(8, 1, side, side) * 2 - 1, torch.arange(8) % 2, "few", classes=2)
    task = (
        f"generate(latent={LATENT}, architecture={name!r}, base_channels={WIDTH}, conditional=True)"
    )
    run = fit(task, objective, data, steps=2, batch_size=4, device="cpu", callbacks=())
    assert run.sample(2).shape == (2, 1, side, side)
    assert all(p.isfinite().all() for p in run.task.parameters())


@pytest.mark.parametrize("name", architectures())
def test_an_architecture_names_its_paper_in_one_line(name):
    architecture = architectures()[name]
    assert architecture.summary.endswith(".") and len(architecture.summary) <= 90
    assert architecture.reference.url.startswith("https://")
    assert len({a.summary for a in architectures().values()}) == len(architectures())


def test_an_unknown_name_suggests_the_nearest_one():
    with pytest.raises(ValueError, match="got 'bigan'; did you mean 'biggan'"):
        find_architecture("bigan", (3, 32, 32))
