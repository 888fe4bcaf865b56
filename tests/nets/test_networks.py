import pytest
import torch

from advlearn.nets import (
    MLP,
    AutoencoderCritic,
    DCGANCritic,
    DCGANGenerator,
    MLPCritic,
    MLPGenerator,
    build,
    critic_for,
    generator_for,
)

SIDES = [*range(8, 65, 4)]
SHAPES = [(2,), (3, 5), (1, 8, 8), (3, 16, 16), (1, 28, 28)]


def critics(classes: int = 0):
    for shape in SHAPES:
        yield MLPCritic(shape, hidden=(8, 8), classes=classes)
        yield MLPCritic(shape, 3, hidden=(8,), classes=classes)
        yield AutoencoderCritic(shape, base_channels=4, code=3, classes=classes)
        yield AutoencoderCritic(shape, base_channels=4, code=1, classes=classes, norm="l2")
        if len(shape) == 3:
            yield DCGANCritic(shape, base_channels=4, classes=classes)
            yield DCGANCritic(shape, 3, base_channels=4, classes=classes)


def generators(classes: int = 0):
    for shape in SHAPES:
        yield MLPGenerator(5, shape, hidden=(8,), classes=classes)
        yield MLPGenerator(5, shape, hidden=(8,), classes=classes, tanh_output=True)
        if len(shape) == 3:
            yield DCGANGenerator(5, shape, base_channels=4, classes=classes)
            yield DCGANGenerator(
                5, shape, base_channels=4, classes=classes, norm="none", tanh_output=False
            )


def fresh(net):
    """Rebuild the architecture with weights from a fixed seed, in double precision."""
    torch.manual_seed(0)
    return build(net.config()).double()


def label(net) -> str:
    return str(net.config())


def classes_of(net, n: int = 4):
    return torch.arange(n) % net.classes if net.classes else None


ALL_CRITICS = [*critics(), *critics(classes=3)]
ALL_GENERATORS = [*generators(), *generators(classes=3)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("critic", ALL_CRITICS, ids=label)
def test_scores_have_one_row_per_sample(critic, dtype):
    critic = build(critic.config()).to(dtype)
    score = critic(torch.rand(4, *critic.shape, dtype=dtype), classes_of(critic))
    features = getattr(critic, "out_features", 1)
    assert score.shape == ((4,) if features == 1 else (4, features)) and score.dtype == dtype


@pytest.mark.parametrize("generator", ALL_GENERATORS, ids=label)
def test_samples_have_the_shape_of_the_data(generator):
    x = generator(torch.randn(4, 5), classes_of(generator))
    assert x.shape == (4, *generator.shape) and x.dtype == torch.float32
    assert not generator.tanh_output or x.abs().max() <= 1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_work_for_every_image_size(side, channels):
    shape = (channels, side, side)
    assert DCGANGenerator(4, shape, base_channels=1)(torch.randn(2, 4)).shape == (2, *shape)
    assert DCGANCritic(shape, base_channels=1)(torch.rand(2, *shape)).shape == (2,)


@pytest.mark.parametrize("net", [*ALL_CRITICS, *ALL_GENERATORS], ids=label)
def test_gradient_reaches_every_parameter(net):
    net = fresh(net)
    size = (net.latent,) if hasattr(net, "latent") else net.shape
    x = torch.randn(16, *size, dtype=torch.float64)
    net(x, classes_of(net, 16)).square().sum().backward()
    without = [
        name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert without == []


@pytest.mark.parametrize("critic", ALL_CRITICS, ids=label)
def test_critics_support_double_backward(critic):
    critic = fresh(critic)
    x = torch.rand(4, *critic.shape, dtype=torch.float64, requires_grad=True)
    score = critic(x, classes_of(critic)).sum()
    (gradient,) = torch.autograd.grad(score, x, create_graph=True)
    gradient.square().sum().backward()
    weights = [p.grad for p in critic.parameters() if p.ndim > 1 and p.grad is not None]
    assert (
        weights
        and all(g.isfinite().all() for g in weights)
        and any(g.abs().sum() > 0 for g in weights)
    )


@pytest.mark.parametrize("critic", ALL_CRITICS, ids=label)
def test_a_score_depends_on_its_own_sample_only(critic):
    critic = fresh(critic)
    x, y = torch.rand(4, *critic.shape, dtype=torch.float64), classes_of(critic)
    together = critic(x, y)
    alone = torch.cat([critic(x[i : i + 1], None if y is None else y[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("net", [*critics(classes=3), *generators(classes=3)], ids=label)
def test_the_class_changes_the_output(net):
    net = fresh(net).eval()
    size = (net.latent,) if hasattr(net, "latent") else net.shape
    x = torch.rand(16, *size, dtype=torch.float64)
    outputs = [net(x, torch.full((16,), y)) for y in range(3)]
    assert not torch.equal(outputs[0], outputs[1]) and not torch.equal(outputs[1], outputs[2])


def test_projection_agrees_with_the_formula():
    critic = DCGANCritic((1, 16, 16), 2, base_channels=4, classes=3).double()
    x, y = torch.rand(5, 1, 16, 16, dtype=torch.float64), torch.tensor([0, 1, 2, 1, 0])
    h = critic.layers(x).flatten(1)
    assert critic.embedding is not None
    v = critic.embedding.weight[y].reshape(5, 2, h.shape[1])
    expected = critic.head(h) + torch.einsum("nfd,nd->nf", v, h)
    torch.testing.assert_close(critic(x, y), expected)


def test_concatenation_adds_a_class_plane_to_the_image():
    critic = DCGANCritic((1, 16, 16), 2, base_channels=4, classes=3, conditioning="concat").double()
    x, y = torch.rand(5, 1, 16, 16, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])
    assert critic.embedding is not None
    planes = critic.embedding.weight[y].reshape(5, 1, 16, 16)
    expected = critic.head(critic.layers(torch.cat([x, planes], 1)).flatten(1))
    torch.testing.assert_close(critic(x, y), expected)
    assert build(critic.config()).conditioning == "concat"


def test_a_vector_gives_the_weighted_sum_of_the_class_embeddings():
    critic = MLPCritic((2,), hidden=(8,), classes=3).double()
    x, c = torch.rand(5, 2, dtype=torch.float64), torch.randn(5, 3)
    assert critic.embedding is not None
    expected = critic.body(torch.cat([x, c.double() @ critic.embedding.weight], 1)).squeeze(1)
    torch.testing.assert_close(critic(x, c), expected)


@pytest.mark.parametrize(("norm", "power"), [("l1", 1), ("l2", 2)])
def test_energy_is_the_negated_error_per_dimension(norm, power):
    critic = AutoencoderCritic((1, 16, 16), base_channels=4, code=3, norm=norm)
    x = torch.rand(4, 1, 16, 16)
    error = torch.stack(
        [(critic.reconstruct(x)[i] - x[i]).abs().pow(power).sum() / 256 for i in range(4)]
    )
    torch.testing.assert_close(critic(x), -error)
    assert (critic(x) <= 0).all() and critic.encode(x).shape == (4, 3)


def test_a_vector_autoencoder_has_two_hidden_layers_on_each_side():
    critic = AutoencoderCritic((5,), base_channels=3, code=2)
    sizes = [
        (m.in_features, m.out_features) for m in critic.modules() if isinstance(m, torch.nn.Linear)
    ]
    assert sizes == [(5, 12), (12, 12), (12, 2), (2, 12), (12, 12), (12, 5)]


def test_dcgan_is_initialised_as_published():
    torch.manual_seed(0)
    net = DCGANGenerator(64, (3, 32, 32), base_channels=16)
    weights = torch.cat(
        [m.weight.flatten() for m in net.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    )
    # Five standard errors of the two moments.
    assert weights.mean().abs() < 5 * 0.02 / len(weights) ** 0.5
    assert abs(weights.std() - 0.02) < 5 * 0.02 / (2 * len(weights)) ** 0.5


def test_critics_have_no_batch_norm_and_end_in_a_linear_layer():
    for critic in ALL_CRITICS:
        assert not any("BatchNorm" in type(m).__name__ for m in critic.modules())
        if not isinstance(critic, AutoencoderCritic):
            assert isinstance([*critic.modules()][-1], torch.nn.Linear)


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "elu", "silu", "softplus", "tanh"])
def test_an_mlp_agrees_with_its_layers(norm, activation):
    torch.manual_seed(0)
    net = MLP(3, 2, (4, 5), activation, 0.1, norm)
    x = torch.randn(6, 3)
    h = x
    linear = [m for m in net.modules() if isinstance(m, torch.nn.Linear)]
    for layer in linear[:-1]:
        h = layer(h)
        if norm == "layer":
            h = torch.nn.functional.layer_norm(h, h.shape[1:])
        if norm == "batch":
            h = torch.nn.functional.batch_norm(h, None, None, training=True)
        function = getattr(torch.nn.functional, activation) if activation != "tanh" else torch.tanh
        h = function(h, 0.1) if activation == "leaky_relu" else function(h)
    torch.testing.assert_close(net(x), linear[-1](h))
    assert [m.out_features for m in linear] == [4, 5, 2]


@pytest.mark.parametrize(
    "net", [MLP(3, 2, (4,), "tanh", norm="layer"), *ALL_CRITICS, *ALL_GENERATORS], ids=label
)
def test_a_config_rebuilds_the_network(net, tmp_path):
    torch.save({"config": net.config(), "state": net.state_dict()}, tmp_path / "net.pt")
    saved = torch.load(tmp_path / "net.pt", weights_only=True)
    again = build(saved["config"])
    again.load_state_dict(saved["state"])
    assert type(again) is type(net) and again.config() == net.config() and str(again) == str(net)
    size = getattr(net, "in_features", None) or getattr(net, "latent", None)
    x = torch.rand(4, size) if size else torch.rand(4, *net.shape)
    y = (classes_of(net),) if getattr(net, "classes", 0) else ()
    net.eval(), again.eval()
    assert torch.equal(net(x, *y), again(x, *y))


@pytest.mark.parametrize(
    ("shape", "generator", "critic"),
    [
        ((2,), MLPGenerator, MLPCritic),
        ((1, 8, 8), MLPGenerator, MLPCritic),
        ((1, 12, 12), MLPGenerator, MLPCritic),
        ((1, 16, 16), DCGANGenerator, DCGANCritic),
        ((1, 28, 28), DCGANGenerator, DCGANCritic),
        ((3, 32, 32), DCGANGenerator, DCGANCritic),
        ((3, 30, 30), DCGANGenerator, DCGANCritic),
        ((1, 28, 32), DCGANGenerator, DCGANCritic),
        ((2, 100), DCGANGenerator, DCGANCritic),
        ((1, 16, 16, 16), DCGANGenerator, DCGANCritic),
        ((3, 5), MLPGenerator, MLPCritic),
    ],
)
def test_networks_are_chosen_by_the_shape_of_the_data(shape, generator, critic):
    net = generator_for(shape, 4, base_channels=2)
    assert type(net) is generator and net.tanh_output == (len(shape) == 3)
    x = net(torch.randn(3, 4))
    assert type(critic_for(shape, base_channels=2)) is critic and critic_for(
        shape, base_channels=2
    )(x).shape == (3,)
    assert critic_for(shape, "vector", base_channels=2)(x).shape == (3, 16)
    assert critic_for(shape, "classes", out_features=11, base_channels=2)(x).shape == (3, 11)
    assert critic_for(shape, "energy", base_channels=2)(x).shape == (3,)
    assert not generator_for(shape, 4, base_channels=2, tanh_output=False).tanh_output


def test_the_code_of_an_energy_critic_is_narrower_than_the_data():
    for shape in [(2,), (6,), (1, 28, 28)]:
        critic = critic_for(shape, "energy", base_channels=2)
        assert isinstance(critic, AutoencoderCritic) and critic.code < torch.Size(shape).numel()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MLP(0, 1), "in_features: expected a whole number of at least 1, got 0"),
        (lambda: MLP(1, 1, hidden=(4, 0)), r"hidden: expected ints of at least 1, got \(4, 0\)"),
        (
            lambda: MLP(1, 1, activation="gelu"),
            "activation: expected one of leaky_relu.*got 'gelu'",
        ),
        (lambda: MLP(1, 1, norm="group"), "norm: expected one of none, layer.*got 'group'"),
        (lambda: MLPCritic((2,), classes=-1), "classes: expected a whole number of at least 0"),
        (lambda: MLPCritic((2,))(torch.zeros(4, 3)), r"x: expected shape \(N, 2\), got \(4, 3\)"),
        (
            lambda: MLPCritic((2,))(torch.zeros(4, 2), torch.zeros(4).long()),
            "y: expected None.*unconditional",
        ),
        (
            lambda: MLPCritic((2,), classes=3)(torch.zeros(4, 2)),
            r"y: expected class indices \(N,\) below 3 or vectors \(N, 3\), got None",
        ),
        (
            lambda: MLPCritic((2,), classes=3)(torch.zeros(4, 2), torch.zeros(4)),
            r"y: .*got float32 \(4,\)",
        ),
        (
            lambda: MLPGenerator(4, (2,))(torch.zeros(4, 3)),
            r"z: expected shape \(N, 4\), got \(4, 3\)",
        ),
        (
            lambda: DCGANGenerator(4, (1, 7, 30)),
            r"shape: expected .*\(C, H, W\) .*with sides from 8, got \(1, 7, 30\)",
        ),
        (
            lambda: DCGANCritic((1, 8, 8), conditioning="sum"),
            "conditioning: expected one of projection, concat, got 'sum'",
        ),
        (lambda: DCGANCritic((68,)), r"shape: expected .*got \(68,\)"),
        (
            lambda: DCGANGenerator(4, (1, 8, 8), norm="layer"),
            "norm: expected one of batch, none, got 'layer'",
        ),
        (lambda: AutoencoderCritic((2,), norm="l3"), "norm: expected one of l1, l2, got 'l3'"),
        (
            lambda: critic_for((2,), "scalar"),
            "output: expected one of logit, vector, energy, classes, density, got 'scalar'",
        ),
        (lambda: critic_for((2,), "classes"), "out_features: expected the number of logits"),
        (
            lambda: critic_for((2,), "logit", out_features=4),
            "out_features: expected None or 1 for output 'logit', got 4",
        ),
        (
            lambda: build({"net": "Linear"}),
            "config: expected net to be one of .*MLP, .*got 'Linear'",
        ),
        (lambda: build({}), "config: expected net .*got None"),
        (lambda: build({"net": "MLP", "depth": 3}), "config: .*depth"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
