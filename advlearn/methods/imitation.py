"""Methods that learn a policy from demonstrations."""

from advlearn.core.described import Reference
from advlearn.core.method import Method

ARXIV = "https://arxiv.org/abs/"
NETWORKS = "the policy of a stable-baselines3 algorithm; a perceptron critic of transitions"
VAIL = Reference(
    "Variational Discriminator Bottleneck: Improving Imitation Learning, Inverse RL, and GANs by "
    "Constraining Information Flow",
    "Peng et al. 2019",
    "eq. 12 to 14",
    ARXIV + "1810.00821",
)


def _row(name: str, objective: str, summary: str, paper: Reference, **more: object) -> Method:
    settings = {"networks": NETWORKS, "data": "cartpole", **more}
    return Method(name, "imitation", objective, summary, paper=paper, **settings)  # pyright: ignore[reportArgumentType]


METHODS: tuple[Method, ...] = (
    _row(
        "gail",
        "gan",
        "Reward a policy for transitions that a critic classifies as the expert's.",
        Reference(
            "Generative Adversarial Imitation Learning",
            "Ho and Ermon 2016",
            "algorithm 1",
            ARXIV + "1606.03476",
        ),
        options={"reward": "positive"},
    ),
    _row(
        "vail",
        "gan + bottleneck(i_c=0.5)",
        "GAIL whose critic has an information bottleneck.",
        VAIL,
        options={"reward": "positive"},
    ),
    _row(
        "airl",
        "gan",
        "Recover a reward that carries over to other dynamics.",
        Reference(
            "Learning Robust Rewards with Adversarial Inverse Reinforcement Learning",
            "Fu et al. 2018",
            "algorithm 1",
            ARXIV + "1710.11248",
        ),
        options={"reward": "logit", "critic": "airl"},
    ),
    _row(
        "vairl",
        "gan + bottleneck(i_c=0.5)",
        "AIRL whose critic has an information bottleneck.",
        Reference(VAIL.title, VAIL.authors, "section 4.3", VAIL.url),
        options={"reward": "logit", "critic": "airl"},
    ),
    _row(
        "wail",
        "wasserstein + gradient_penalty",
        "Minimise the Wasserstein distance between transitions of policy and expert.",
        Reference(
            "Wasserstein Adversarial Imitation Learning",
            "Xiao et al. 2019",
            "the idea",
            ARXIV + "1906.08113",
        ),
        deviations="A gradient penalty bounds the critic's slope; the paper regularises the "
        "transport.",
    ),
    _row(
        "fairl",
        "gan",
        "Minimise the forward KL divergence from the expert's state-action distribution.",
        Reference(
            "A Divergence Minimization Perspective on Imitation Learning Methods",
            "Ghasemipour et al. 2019",
            "section 3.2",
            ARXIV + "1911.02256",
        ),
        options={"reward": "fairl"},
    ),
    _row(
        "amp",
        "least_squares(a=-1, b=1, c=1) + r1",
        "Imitate motions with a least-squares critic and a clipped reward.",
        Reference(
            "AMP: Adversarial Motion Priors",
            "Peng et al. 2021",
            "eq. 6 and 7",
            ARXIV + "2104.02180",
        ),
        options={"reward": "clipped"},
        deviations='The paper\'s critic reads pairs of states: critic_inputs="state-next".',
    ),
    _row(
        "gmmil",
        "mmd",
        "Match the kernel means of transitions, without training a critic.",
        Reference(
            "Imitation Learning via Kernel Mean Embedding",
            "Kim and Park 2018",
            "eq. 6",
            "https://doi.org/10.1609/aaai.v32i1.11720",
        ),
        deviations="The scales of the kernel are those of `mmd`.",
    ),
    _row(
        "otil",
        "sinkhorn",
        "Reward a policy by the optimal transport of its transitions to the expert's.",
        Reference(
            "Imitation Learning with Sinkhorn Distances",
            "Papagiannis and Li 2020",
            "the idea",
            ARXIV + "2008.09167",
        ),
        deviations="The cost is the squared distance of transitions; the paper's is a cosine in "
        "features that it learns.",
        aliases=("ot-imitation", "sil"),
    ),
    _row(
        "bc",
        "gan",
        "Train the policy to predict the expert's actions, without an environment or a critic.",
        Reference(
            "ALVINN: An Autonomous Land Vehicle in a Neural Network",
            "Pomerleau 1988",
            "section 3",
            "https://doi.org/10.1184/R1/6603146.v1",
        ),
        options={"critic": "none"},
        networks="the policy of a stable-baselines3 algorithm",
        aliases=("behaviour-cloning", "behavior-cloning", "behavioural-cloning"),
    ),
)
