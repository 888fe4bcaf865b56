"""Use a page in Chromium; skipped where Debian's chromium is not installed."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import advlearn
from advlearn.page import Content, write_page
from tests.page.test_page import HOSTILE, noise

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture
def show() -> Iterator[Callable[[Path], Any]]:
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        faults: list[str] = []
        requests: list[str] = []

        def opened(path: Path) -> Any:
            # The test's own functions are evaluated as text, which the page's policy forbids.
            context = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.set_default_timeout(150_000)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(path.as_uri())
            page.wait_for_function("globalThis.page !== undefined")
            return page

        yield opened
        assert not faults
        assert not [url for url in requests if not url.startswith(("file:", "data:"))]
        assert sum(url.startswith("file:") for url in requests) == 1
        browser.close()


def test_play_pause_and_move_in_a_run_of_points(show: Any, ring: Path) -> None:
    page = show(ring / "run.html")
    assert page.evaluate("page.step") == 110 and "wgan-gp on ring" in page.inner_text("h1")
    assert "Health" in page.inner_text("#health") and "at step 110" in page.inner_text("#health")
    canvas = page.locator("#plane canvas")
    for layer in ("real", "fake", "surface"):
        before = canvas.screenshot()
        page.click(f"#layer-{layer}")
        assert canvas.screenshot() != before
        page.click(f"#layer-{layer}")
    page.keyboard.press("Home")
    assert page.evaluate("page.step") == 1
    assert "no verdict before this step" in page.inner_text("#health")
    first = canvas.screenshot()
    page.click("#play")
    page.wait_for_function("page.step > 20 && page.playing")
    page.click("#play")
    assert not page.evaluate("page.playing") and canvas.screenshot() != first
    step = page.evaluate("page.step")
    page.locator("#play").blur()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("page.step") == step + 1
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("page.step") == step
    page.focus("#slider")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("page.step") == step + 1
    page.keyboard.press("End")
    assert page.evaluate("page.step") == 110


def test_curves_show_the_value_at_the_step_and_take_clicks(show: Any, ring: Path) -> None:
    page = show(ring / "run.html")
    text = page.inner_text("#curves")
    for name in ("losses and penalties", "critic's scores", "held-out data"):
        assert name in text
    line = page.evaluate("page.run.panels[0].lines[0]")
    shown = float(page.locator("#curves li b").first.inner_text())
    assert shown == pytest.approx(line["values"][-1], rel=1e-3)
    box = page.locator("#curves canvas").first.bounding_box()
    page.locator("#curves canvas").first.click(position={"x": box["width"] / 2, "y": 20})
    assert 50 <= page.evaluate("page.step") <= 60
    assert page.locator("#curves li b").first.inner_text() == "–"


def test_pictures_of_a_run_of_images_change(show: Any, digits: Path, tmp_path: Path) -> None:
    page = show(advlearn.load(digits).page(tmp_path / "run.html"))
    image = page.locator("#picture img")
    assert image.evaluate("image => image.naturalWidth") > 100
    last = image.get_attribute("src")
    page.keyboard.press("Home")
    assert image.get_attribute("alt") == "samples at step 2"
    assert image.get_attribute("src") != last
    page.click("#play")
    page.wait_for_function("page.step === 6 && !page.playing")
    assert page.locator("#stills img").count() >= 2


def test_themes_keys_and_a_narrow_screen(show: Any, ring: Path) -> None:
    page = show(ring / "run.html")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("t")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    page.set_viewport_size({"width": 360, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    boxes = [page.locator(name).bounding_box()["y"] for name in ("#plane", "#health", "#curves")]
    assert boxes == sorted(boxes)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select, canvas, img')].filter((e) => "
        "!(e.textContent.trim() || e.labels?.length || e.getAttribute('aria-label') || e.alt || "
        "e.closest('[hidden]'))).length"
    )
    assert unnamed == 0


def test_hostile_text_runs_no_script(show: Any, tmp_path: Path) -> None:
    content = Content(
        HOSTILE,
        3,
        {HOSTILE: HOSTILE},
        curves=[(1, {HOSTILE: 1.0})],
        verdicts=[(1, {HOSTILE: HOSTILE})],
        pictures=[(1, noise(tmp_path / "1.png", 8, 0))],
        papers=HOSTILE,
    )
    page = show(write_page(content, tmp_path / "run.html"))
    assert page.inner_text("h1").startswith("</script><script>alert(1)")
    assert page.locator("script").count() == 2 and page.locator("img").count() == 1


def test_the_policy_lets_the_own_script_run(ring: Path) -> None:
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto((ring / "run.html").as_uri())
        page.wait_for_selector("#health b")
        assert page.inner_text("#status") == "110 steps"
        browser.close()
