"""Takes the README's picture of the inspector, on the demo's data.

Run:

    python docs/inspector_picture.py   # writes docs/images/inspector.png

It needs the extra `browser` and Debian's `chromium`. The picture is of the compacted session, as the model sees it.
"""  # noqa: INP001 - a script

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from agentmem.cli.demo import filled_demo
from agentmem.inspector.chat import ChatSettings
from agentmem.inspector.server import InspectorServer
from agentmem.local import LocalMemory
from agentmem.testing import OfflineModel

PICTURE = Path(__file__).parent / "images" / "inspector.png"
MOST_BYTES = 300_000
WIDTH, HEIGHT = 1_100, 860


def main() -> int:
    """Take the picture.

    Returns:
        The exit status.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("There is no Chromium. Install it: apt-get install chromium\n")
        return 1
    with LocalMemory() as service:
        server = InspectorServer(filled_demo(service), ChatSettings(lambda _name: OfflineModel()), writable=False)
        thread = server.run_in_thread()
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(server.url)
            page.goto(f"{server.base_url}/sessions?actor=ana")
            page.locator("main a[href^='/session?']").first.click()
            page.get_by_role("link", name="What the model sees").click()
            page.wait_for_selector("html[data-ready]")
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURE)
            browser.close()
        server.stop()
        thread.join(10)
    size = PICTURE.stat().st_size
    sys.stdout.write(f"{PICTURE.name}: {WIDTH} x {HEIGHT}, {size:,} bytes\n")
    return 0 if size <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
