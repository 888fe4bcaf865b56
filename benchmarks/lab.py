"""Measure the lab's page in Chromium: frames drawn and training steps in a second.

The default game plays in headless Chromium, which draws in software, for some seconds. Server and
browser share the cores of the machine.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
from typing import Any

from harness import Result, Row, arguments

FRAMES, STEPS = 60.0, 200.0
SECONDS, RUNS = 5, 3


def measure(seconds: int) -> Row:
    """Play the default game, and return the medians of what the page shows each second."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-c", "from advlearn.cli import app; app()", "lab", "--no-browser"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        address = re.findall(r"http\S+", server.stdout.readline())[0]
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            context = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.goto(address)
            page.wait_for_function("lab.frames > 0")
            page.click("#play")
            page.wait_for_timeout(2000)
            rates: list[Any] = []
            for _ in range(seconds):
                page.wait_for_timeout(1000)
                rates.append(page.evaluate("[lab.fps, lab.speed]"))
            browser.close()
    finally:
        server.terminate()
        server.wait()
    frames, steps = (statistics.median(column) for column in zip(*rates, strict=True))
    return {"frames": frames, "steps": steps, "load": os.getloadavg()[0]}


def main() -> None:
    """Measure, or report the saved rows."""
    options = arguments(__doc__ or "").parse_args()
    result = Result("lab", quick=options.quick)
    if not options.report and shutil.which("chromium") is None:
        print("lab: needs Chromium: apt-get install chromium")
        return
    if not options.report:
        result.rows, result.seconds = [], 0.0
        for run in range(1 if options.quick else RUNS):
            result.add({"run": run, **measure(1 if options.quick else SECONDS)})
    # A screen with 60 Hz shows 59.9 frames by the page's own clock in some seconds.
    frames = statistics.median(round(row["frames"]) for row in result.rows)
    result.bar("frames drawn in a second", frames, ">=", FRAMES)
    steps = statistics.median(row["steps"] for row in result.rows)
    result.bar("training steps in a second", steps, ">=", STEPS)
    result.save()
    result.show(["run", "frames", "steps", "load"])


if __name__ == "__main__":
    main()
