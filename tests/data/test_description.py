import io

import numpy as np
import torch

import advlearn
from advlearn.data import describe_source, load, open_domains
from advlearn.training import Progress


def test_the_line_says_what_was_read():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 24, 3), dtype=np.uint8)
    data = load(pixels, ["cat", "dog", "dog"] * 10, mirror=True)
    assert describe_source(data) == (
        "30 images of 3x20x24, channels last, values in [0, 255] scaled to [-1, 1], "
        "2 classes (cat: 10, dog: 20), mirrored at random, in memory (42.2 KiB of uint8)"
    )
    assert describe_source(load(torch.zeros(4, 3, 100))) == (
        "4 series of 3x100, in memory (4.7 KiB of float32)"
    )


def test_the_line_about_domains_names_each():
    line = describe_source(open_domains("digits->digits"))
    assert line.count("digits: 1797 images of 1x8x8, 10 classes") == 2


def test_a_run_starts_with_its_data_and_its_networks():
    stream = io.StringIO()
    progress = Progress(stream=stream)
    advlearn.fit(data=torch.rand(40, 1, 16, 16), steps=1, callbacks=[progress])
    first, second = stream.getvalue().splitlines()[:2]
    assert first.startswith("data: tensor, 40 images of 1x16x16, values in [0, 1] scaled to")
    assert second.startswith("networks: generator DCGANGenerator (")
    assert "critic of data DCGANCritic (" in second
