import pytest
import torch

from advlearn.nets import find_architecture
from advlearn.tasks.generate import Generate


@pytest.mark.parametrize("name", ["stylegan", "psgan"])
def test_samples_are_a_function_of_the_latents_where_the_noise_is_fixed(name):
    shape = (1, 32, 32)
    generator = find_architecture(name, shape).generator(4, shape, base_channels=2)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.1)
    task = Generate(generator, latent=4, shape=shape)
    z = torch.randn(5, 4)
    assert not torch.allclose(task.decode(z), task.decode(z))
    fixed = task.decode(z, noise=1)
    assert torch.equal(task.decode(z, noise=1), fixed)
    torch.testing.assert_close(task.decode(z[2:3], noise=1), fixed[2:3], atol=1e-5, rtol=0)
    assert not torch.allclose(task.decode(z, noise=2), fixed)
    assert not torch.allclose(task.decode(z), fixed)
