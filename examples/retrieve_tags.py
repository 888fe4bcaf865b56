"""Tag images with words: generate word vectors from an image and return the nearest words.

The images are handwritten digits, represented by the features of a digit classifier. Each has five
tags: its name, even or odd, low or high, prime or not, and with a loop or without. The word vectors
are not pretrained: they are the leading directions of the pointwise mutual information of the 18
words, counted on the training images. Each training pair has one tag of an image, and the
generator's noise chooses among the tags.

python examples/retrieve_tags.py [--steps 3000] [--objective nsgan] [--picture retrieve_tags.png]
"""

import argparse

import torch
from matplotlib.figure import Figure
from torch.nn.functional import cross_entropy, normalize

import advlearn
from advlearn.core.features import features
from advlearn.data import ArrayDataset, Batches, load
from advlearn.data.pairs import Pairs
from advlearn.nets import predictor_for

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3000)
parser.add_argument("--objective", default="nsgan")
parser.add_argument("--picture", default="retrieve_tags.png")
options = parser.parse_args()

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TRAITS = {
    "even": {0, 2, 4, 6, 8},
    "low": {0, 1, 2, 3, 4},
    "prime": {2, 3, 5, 7},
    "loop": {0, 6, 8, 9},
}
OTHERWISE = {"even": "odd", "low": "high", "prime": "not prime", "loop": "open"}
WORDS = [*NAMES, *TRAITS, *OTHERWISE.values()]


def tags(digit: int) -> list[int]:
    """Return the indices of a digit's words: its name and four traits."""
    traits = [trait if digit in members else OTHERWISE[trait] for trait, members in TRAITS.items()]
    return [WORDS.index(word) for word in (NAMES[digit], *traits)]


digits = load("digits")
TAGS = torch.tensor([tags(d) for d in range(10)])
learn, test = slice(0, 1400), slice(1400, None)
torch.manual_seed(0)
classifier = predictor_for(digits.shape, digits.classes)
optimizer = torch.optim.Adam(classifier.parameters(), 1e-3)
stream = Batches(ArrayDataset(digits.x[learn], digits.y[learn], "digits", digits.classes), 64)
for _ in range(500):
    x, y = next(stream)
    optimizer.zero_grad()
    cross_entropy(classifier(x), y).backward()
    optimizer.step()
with torch.no_grad():
    image_features = features(classifier.eval(), digits.x)
image_features = (image_features - image_features[learn].mean(0)) / image_features[learn].std()

pair_counts = torch.zeros(len(WORDS), len(WORDS))
for row in TAGS[digits.y[learn]]:
    pair_counts[row[:, None], row] += 1
word_counts = pair_counts.sum(1)
information = (
    (pair_counts * word_counts.sum() / (word_counts[:, None] * word_counts)).clamp(min=1).log()
)
left, scale, _ = torch.linalg.svd(information)
vocabulary = normalize(left[:, :12] * scale[:12].sqrt(), dim=1)

pairs = Pairs(
    image_features[learn].repeat_interleave(5, 0),
    vocabulary[TAGS[digits.y[learn]].flatten()],
    "digits with tags",
)
run = advlearn.fit(
    "cross_modal",
    options.objective,
    pairs,
    steps=options.steps,
    lr=5e-4,
    device="cpu",
    callbacks=(),
)

torch.manual_seed(0)
retrieved = run.ema_model.retrieve(image_features[test], vocabulary, k=5, nearest=1)
true = torch.zeros(len(retrieved), len(WORDS)).scatter_(1, TAGS[digits.y[test]], 1.0)
commonest = torch.bincount(TAGS[digits.y[learn]].flatten(), minlength=len(WORDS)).topk(5).indices
print(f"correct tags, of five per image: {float(true.gather(1, retrieved).mean()):.1%}")
by_frequency = float(true[:, commonest].mean())
print(f"always the five most common words: {by_frequency:.1%}; {run.health()['data']}")

figure = Figure(figsize=(10, 6), layout="constrained")
for index in range(15):
    axes = figure.add_subplot(3, 5, index + 1)
    axes.imshow(digits.x[test][index, 0], cmap="gray_r")
    axes.set(xticks=[], yticks=[])
    axes.set_title(
        "\n".join(", ".join(WORDS[w] for w in part) for part in retrieved[index].split([3, 2])),
        fontsize=8,
    )
figure.savefig(options.picture, dpi=100)
print(f"picture: {options.picture}")
