"""Test the catalogue: it is complete, every row trains, and every name is described."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import advlearn
from advlearn import catalogue, kinds, methods
from advlearn.citation import cite
from advlearn.core import plugins, registry
from advlearn.core.chain import Defaults
from advlearn.core.described import Reference
from advlearn.core.method import Method
from advlearn.description import describe
from advlearn.imitation import imitate
from advlearn.listing import listing
from advlearn.terminal_math import formula

ROOT = Path(__file__).parents[1]
# The published names that the catalogue must contain, by field.
NAMES = {
    "adaptation": "dann cdan cdan+e adda wdgrl dan deep-coral deepjdot",
    "fairness": "laftr zhang-2018",
    "translation": "pix2pix cyclegan discogan srgan",
    "images": "gan nsgan lsgan wgan wgan-gp ebgan began ragan mmd-gan ot-gan infogan ac-gan cgan "
    "lapgan gran psgan progan dcgan sngan sagan biggan stylegan r3gan pacgan",
    "representation": "bigan ali bigbigan aae vae vae-gan",
    "retrieval": "irgan",
    "semi_supervised": "improved-gan bad-gan",
    "imitation": "gail vail airl vairl wail fairl amp gmmil otil bc",
}
ROWS = [row for row in catalogue.methods().values() if row.task != catalogue.IMITATION]
ITEMS = kinds.items()


@pytest.mark.parametrize(
    ("field", "name"), [(field, name) for field, names in NAMES.items() for name in names.split()]
)
def test_every_published_name_has_a_row_in_its_field(field: str, name: str) -> None:
    assert name in [row.name for row in catalogue.fields()[field]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_trains_three_steps_on_its_data(row: Method) -> None:
    options = catalogue.task_options(row.task)
    small = {"base_channels": 4} if "base_channels" in options else {}
    settings = {"steps": 3, "batch_size": 8, "device": "cpu", "callbacks": (), **small}
    run = advlearn.fit(row.name, **settings)
    assert run.trainer is not None and run.trainer.step == 3
    assert all(bool(p.isfinite().all()) for p in run.task.parameters())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_complete(row: Method) -> None:
    paper = catalogue.paper_of(row)
    assert paper is not None and paper.equation and paper.url.startswith("https://")
    assert row.networks and row.data and row.summary.endswith(".") and len(row.summary) <= 84
    catalogue.check_options(row, row.options, [])
    assert " ".join(paper.title.split()) in " ".join(describe(row.name).split())
    assert paper.title in cite(row.name)


def test_the_default_method_of_a_task_is_its_first_row() -> None:
    for task in registry.tasks():
        first = next(row for row in ROWS if row.task == task)
        assert catalogue.request(task).method == first
    assert catalogue.request("generate").method.name == "nsgan"


def test_wgan_trains_with_rmsprop_and_a_keyword_overrides_the_row() -> None:
    settings = {"data": torch.randn(16, 2), "steps": 1, "device": "cpu", "callbacks": ()}
    run = advlearn.fit("wgan", **settings)
    assert run.trainer is not None
    optimizers = [run.trainer.optimizer, run.adversaries["data"].optimizer]
    assert all(isinstance(o, torch.optim.RMSprop) for o in optimizers)
    assert run.trainer.critic_steps == 5 and optimizers[0].param_groups[0]["lr"] == 5e-5
    run = advlearn.fit("wgan", optimizer="sgd", critic_lr=0.5, critic_steps=2, lr=0.25, **settings)
    assert run.trainer is not None and run.trainer.critic_steps == 2
    critic = run.adversaries["data"].optimizer
    assert isinstance(critic, torch.optim.SGD) and critic.param_groups[0]["lr"] == 0.5
    assert run.trainer.optimizer.param_groups[0]["lr"] == 0.25


def test_a_user_critic_is_trained_and_passed_again_on_loading(tmp_path: Path) -> None:
    critic = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    data = torch.randn(16, 2)
    run = advlearn.fit("nsgan", None, data, critic=critic, steps=1, device="cpu", callbacks=())
    assert run.adversaries["data"].critic is critic
    path = run.save(tmp_path / "run.pt")
    with pytest.raises(ValueError, match=r"^critic: .* pass .*critic="):
        advlearn.load(path)
    loaded = advlearn.load(path, critic=critic).adversaries["data"]
    assert torch.equal(loaded.score(data), run.adversaries["data"].score(data))


def test_pacgan_is_loaded_with_its_packed_critic(tmp_path: Path) -> None:
    data = torch.randn(16, 2)
    run = advlearn.fit("pacgan", None, data, steps=1, device="cpu", callbacks=())
    loaded = advlearn.load(run.save(tmp_path / "run.pt"))
    assert torch.equal(loaded.adversaries["data"].score(data), run.adversaries["data"].score(data))


def test_terms_after_a_method_are_added_to_it() -> None:
    assert catalogue.request("cdan+e + r1").method.name == "cdan+e"
    assert catalogue.request("cdan + r1").method.name == "cdan"
    request = catalogue.request("wgan-gp(latent=3) + r1")
    assert repr(request.chain().regularizers[-1]).startswith("R1(weight=1.0, ")
    assert request.options == {"latent": 3}
    assert request.chain().defaults.critic_steps == 5
    request = catalogue.request("wgan-gp(latent=3) + r1(weight=2.0)")
    assert request.terms == "r1(weight=2.0)" and request.options == {"latent": 3}


def test_a_task_with_an_objective_keeps_its_own_options() -> None:
    assert catalogue.request("fairness").options["gradient_combination"] == "project"
    assert catalogue.request("zhang-2018", "mmd").options["gradient_combination"] == "project"
    assert catalogue.request("fairness", "mmd").options == {}


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("nsgan", {"objective": "dann"}, "objective: expected an objective, got 'dann', a method"),
        (
            "f-gan",
            {"f": "kl"},
            r"""f: generate has no such option; write objective="f-gan\(f='kl'""",
        ),
        ("dann", {"latent": 3}, "latent: domain_adaptation has no such option"),
        (
            "sngan",
            {"data": torch.randn(16, 2)},
            "architecture: expected square images .* for sngan.*; architecture=None chooses",
        ),
        ("dann + hinge", {}, "objective: a chain has one objective"),
        ("cdan", {"critic": {"x": torch.nn.Linear(2, 1)}}, "critic: expected names among domain"),
        ("adda", {"conditioning": "nothing"}, "conditioning: adda has no such option"),
    ],
)
def test_a_mistake_is_one_line(name: str, settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}") as refused:
        advlearn.fit(name, **{"steps": 1, "device": "cpu", "callbacks": (), **settings})
    assert "\n" not in str(refused.value)


def test_imitation_without_its_packages_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "advlearn.imitation", None)
    with pytest.raises(ImportError, match=r'^task: .* pip install "advlearn\[rl\]"'):
        advlearn.fit("imitation", data="cartpole")


def test_adda_trains_a_source_model_and_then_the_target_features(tmp_path: Path) -> None:
    settings = {"steps": 2, "device": "cpu", "callbacks": (), "out": tmp_path}
    run = advlearn.fit("adda", adversarial_weight=0.5, **settings)
    parts = run.config["parts"]
    assert parts["source_model"] and parts["adversarial_weight"] == 0.5
    assert (tmp_path / "first-stage" / "checkpoint.pt").exists()
    again = advlearn.fit("adda", adversarial_weight=0.5, **settings)
    pairs = zip(run.task.parameters(), again.task.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_readme_and_the_docs_name_only_methods_of_the_catalogue() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        text = page.read_text()
        named = [m[1] for m in re.findall(r"""fit\(\s*(?:task=)?(["'])(.+?)\1""", text)]
        named += re.findall(r"advlearn fit ([a-z][\w+-]*)", text)
        # By the code of the page itself.
        registered = re.findall(r'Method\(\s*"([^"]+)"', text)
        for name in named:
            assert name in registered or catalogue.request(name), f"{page.name}: {name}"


def test_the_list_has_exactly_the_names_that_describe_knows() -> None:
    lines = listing().splitlines()
    assert max(map(len, lines)) <= 100
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(listed) == sorted(item.name for item in ITEMS)
    rows = [line.split()[0] for line in listing(kind="method").splitlines() if line[:2] == "  "]
    assert rows == list(catalogue.methods())


@pytest.mark.parametrize("name", sorted({item.name for item in ITEMS}))
def test_every_name_is_described_in_plain_text(name: str) -> None:
    text = describe(name)
    assert text.count("\n") >= 1 and f"\n{name}: a" in "\n" + text
    assert "\\" not in text and ".. math::" not in text and "``" not in text


def test_every_kind_has_a_name_and_a_line() -> None:
    assert {item.kind for item in ITEMS} == set(kinds.KINDS)
    assert not [item.name for item in ITEMS if not item.summary]


def test_a_task_is_described_with_all_its_options() -> None:
    for task in registry.tasks():
        text = describe(task)
        assert all(f"    {name} = " in text for name in catalogue.task_options(task)), task


def test_a_name_of_several_kinds_is_described_for_each() -> None:
    assert "cgan: a method of images" in describe("cgan")
    assert "cgan: a network" in describe("cgan")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("cyclegn", "cyclegan"),
        ("infogn", "infogan"),
        ("frechet_distanc", "frechet_distance"),
        ("moonss", "moons"),
        ("hinge + spectral_nrom", "spectral_norm"),
    ],
)
def test_an_unknown_name_suggests_at_most_five_of_every_kind(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=r"^name: unknown name") as refused:
        describe(name)
    assert near in str(refused.value) and str(refused.value).count("'") <= 12
    with pytest.raises(ValueError, match=r"see `advlearn list`$"):
        describe("qqqqqqqq")


def test_a_run_cites_the_papers_of_its_parts() -> None:
    data = torch.randn(16, 2)
    run = advlearn.fit("dragan + r1", None, data, steps=1, device="cpu", callbacks=())
    titles = re.findall(r"title = \{(.*)\}", cite(run))
    assert titles[0] == "On Convergence and Stability of GANs"
    assert len(titles) == len(set(titles)) == 3
    with pytest.raises(ValueError, match=r"^name: expected something with a paper, got 'moons'"):
        cite("moons")


def test_a_paper_has_one_title_wherever_it_is_cited() -> None:
    entries = [e.reference for e in registry.entries().values()]
    papers = [catalogue.paper_of(row) for row in registry.methods().values()]
    named = [(p.url, p.title) for p in (*entries, *papers) if p is not None]
    assert len({url for url, _ in named}) == len(set(named))


def test_a_run_and_its_folder_cite_networks_and_game(tmp_path: Path) -> None:
    data, task = torch.randn(8, 1, 16, 16), "generate(architecture='sagan', base_channels=2)"
    settings = {"steps": 1, "device": "cpu", "callbacks": (), "game": "lookahead(k=5)"}
    run = advlearn.fit(task, "lsgan + r1", data.clamp(-1, 1), **settings)
    urls = re.findall(r"url = \{.*/(.*)\}", cite(run))
    assert {"1805.08318", "2006.14567"} < set(urls) and len(urls) == len(set(urls))
    folder = tmp_path / "run"
    run.save(folder)
    assert cite(folder) == cite(str(folder)) == cite(run)
    (tmp_path / "empty").mkdir()
    with pytest.raises((ValueError, FileNotFoundError)):
        cite(tmp_path / "empty")


@pytest.mark.parametrize(
    ("method", "settings", "urls"),
    [
        ("vail + r1", {"steps": 64}, ["1810.00821", "1801.04406", "1707.06347"]),
        ("wasserstein", {"steps": 64, "algorithm": "a2c"}, ["1701.07875", "1602.01783"]),
        ("gail", {"steps": 64, "absorbing": True}, ["1606.03476", "1809.02925", "1707.06347"]),
        ("bc", {"bc_steps": 1}, ["1707.06347"]),
    ],
)
def test_a_run_of_imitation_cites_its_method_and_its_algorithm(
    method: str, settings: dict[str, Any], urls: list[str]
) -> None:
    run = imitate("cartpole", method, quiet=True, **settings)
    found = re.findall(r"url = \{.*/(.*)\}", cite(run))
    assert [url for url in found if url in urls] == urls
    assert found[-1] == "20-1364.html"
    assert ("1809.02925" in found) == settings.get("absorbing", False)


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\frac{1}{2w} \int \frac{p - q}{p}", "1/(2w) ∫ (p - q)/p"),
        (r"\tfrac12 E_f[(s - a)^2]", "½ E_f[(s - a)²]"),
        (r"\|\nabla_x D(\tilde x)\|_2", "‖∇ₓ D(x̃)‖₂"),
        (r"\min_{t \in train} d_t", "min_(t ∈ train) dₜ"),
        (r"\{x'_{k+1}\} \sim N(\mu, \sigma^2)", "{x'ₖ₊₁} ~ N(μ, σ²)"),
    ],
)
def test_a_formula_is_written_in_unicode(latex: str, text: str) -> None:
    assert formula(latex) == text


def _forget_rows() -> None:
    catalogue.fields.cache_clear()
    plugins.files.cache_clear()


def test_a_file_of_rows_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "methods"
    shutil.copytree(Path(methods.__file__).parent, copy)
    (copy / "novelty.py").write_text(
        "from advlearn.core.method import Method\n"
        "METHODS = (Method('novel-gan', task='generate', objective='hinge + r1',\n"
        "    summary='A new method.', data='digits', networks='sized from the data'),)\n"
    )
    monkeypatch.setattr(methods, "__path__", [str(copy)])
    _forget_rows()
    try:
        assert catalogue.request("novel_gan").method.objective == "hinge + r1"
        assert "novel-gan" in listing("novelty") and "A new method." in describe("novel-gan")
        run = advlearn.fit("novel-gan", steps=1, batch_size=8, device="cpu", callbacks=())
        assert repr(run.adversaries["data"].chain).startswith("Hinge()")
    finally:
        _forget_rows()


def test_a_registered_method_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Reference("Ours", "Us 2026", "eq. 1", "https://example.org")
    row = Method(
        "our-gan",
        task="generate",
        objective="hinge",
        summary="Ours.",
        paper=paper,
        defaults=Defaults(steps=2),
    )
    monkeypatch.setattr(registry, "methods", lambda: {"our-gan": row}, raising=False)
    assert catalogue.request("our-gan + r1").method == row
    assert "our-gan" in listing(kind="method") and "Us 2026" in describe("our-gan")
    run = advlearn.fit("our-gan", None, torch.randn(16, 2), device="cpu", callbacks=())
    assert run.trainer is not None and run.trainer.steps == 2
