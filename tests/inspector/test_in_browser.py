"""The inspector in a real browser: every view, on the demo's data and on a session of ten thousand messages."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from looked_at import memory_of
from severed import severable

from agentmem import MemoryConfig
from agentmem.inspector.chat import ChatSettings
from agentmem.inspector.server import InspectorServer
from agentmem.local import LocalMemory
from agentmem.testing import OfflineModel

sys.path.append(str(Path(__file__).parents[1] / "streaming"))
from slow_model import SlowModel

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NPM = shutil.which("npm")
SCREENSHOTS = os.environ.get("AGENTMEM_SCREENSHOTS")
"""A folder for a picture of every view, to look at."""

VIEWS = ("/", "/sessions", "/session", "/context", "/compactions", "/long-term", "/chat")
STORY = "Es war einmal 日本の 🌊\nund es endete nicht. " * 20

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """Return the source of axe-core, from the npm registry."""
    if NPM is None:
        pytest.skip("npm is not installed: the rules of accessibility cannot be had")
    folder = tmp_path_factory.mktemp("axe")
    shutil.copy(Path(__file__).parent / "node" / "package.json", folder)
    done = subprocess.run(
        [NPM, "install", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        pytest.skip(f"axe-core cannot be installed with npm (status {done.returncode})")
    return source.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def large():
    return memory_of(session="large", events=5_000)


@contextlib.contextmanager
def served(config, model=OfflineModel, **options):
    server = InspectorServer(config, ChatSettings(lambda _name: model()), **options)
    thread = server.run_in_thread()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)


@contextlib.asynccontextmanager
async def window(server, *, port=None, width=1_200, dark=False):
    """Open a window that has signed in; `visit` goes to a page, `problems` holds the console's errors."""
    base = server.base_url if port is None else f"http://127.0.0.1:{port}"
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base)
        page = await context.new_page()
        page.set_default_timeout(15_000)
        problems = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))

        async def visit(link):
            await page.goto(base + link)
            await page.wait_for_selector("html[data-ready]")
            await page.wait_for_load_state("networkidle")

        await visit(server.url.removeprefix(server.base_url))
        yield SimpleNamespace(page=page, visit=visit, problems=problems, base=base)
        await browser.close()


async def becomes(page, condition):
    """Wait until a condition holds in the page; `wait_for_function` would need `eval`, which the pages forbid."""
    for _ in range(1_500):
        if await page.evaluate(condition):
            return
        await page.wait_for_timeout(10)
    raise AssertionError(f"it never came to {condition}")


def links_of(place):
    return {path: place.link(path) for path in VIEWS}


@pytest.mark.parametrize(
    ("data", "width", "dark"),
    [
        ("demo", 1_200, False),
        ("demo", 1_200, True),
        ("demo", 400, False),
        ("demo", 400, True),
        ("ten thousand messages", 1_200, False),
        ("ten thousand messages", 400, True),
    ],
)
async def test_every_view_is_without_errors_sideways_scrolling_and_serious_issues(
    request, demo, axe, data, width, dark
):
    config, place = (demo.config, demo.long) if data == "demo" else _unpacked(request.getfixturevalue("large"))
    views = links_of(place) | {"/search": place.link("/long-term", namespace="facts", query="Where does Marta live?")}
    found = {}
    with served(config, writable=True) as server:
        async with window(server, width=width, dark=dark) as one:
            for path, link in views.items():
                await one.visit(link)
                await _opened(one.page)
                over = await one.page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                await one.page.evaluate(f"{axe};0")
                issues = await one.page.evaluate("axe.run()")
                serious = [
                    (issue["id"], issue["nodes"][0]["html"][:120])
                    for issue in issues["violations"]
                    if issue["impact"] in {"serious", "critical"}
                ]
                if over > 0 or serious or one.problems:
                    found[path] = (over, serious, list(one.problems))
                one.problems.clear()
                if SCREENSHOTS:
                    name = f"{data}-{path.strip('/') or 'actors'}-{width}-{'dark' if dark else 'light'}.png"
                    await one.page.screenshot(path=Path(SCREENSHOTS) / name.replace(" ", "-"))
    assert found == {}


async def _opened(page):
    """Open what is folded, so that it is looked at too, and let what it loads arrive."""
    await page.evaluate("for (const one of [...document.querySelectorAll('details')].slice(0, 12)) one.open = true")
    await page.wait_for_load_state("networkidle")


def _unpacked(memory):
    return memory.config, memory.place


async def test_a_session_of_ten_thousand_messages_opens_within_a_second_and_scrolls(large):
    with served(large.config) as server:
        async with window(server) as one:
            await one.visit(large.place.link("/session"))
            timing = await one.page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
            assert timing < 1_000
            for _ in range(8):
                await one.page.evaluate("scrollTo(0, document.body.scrollHeight)")
                await one.page.wait_for_timeout(250)
            shown = await one.page.locator(".message").count()
            assert shown > 400
            texts = await one.page.locator(".message .said").all_text_contents()
            assert texts == [
                text for event in range(4_999, 4_999 - shown // 2, -1) for text in large.said[2 * event : 2 * event + 2]
            ]
            assert one.problems == []


async def test_tool_calls_unfold_and_messages_come_whole(demo):
    with served(demo.config) as server:
        async with window(server) as one:
            await one.visit(demo.long.link("/session"))
            button = one.page.get_by_role("button", name="Show the whole message").first
            name = await button.get_attribute("data-into")
            blocks = one.page.locator(f"#{name}")
            before = len(await blocks.text_content())
            await button.click()
            await one.page.locator(f"button[data-into={name}]").wait_for(state="detached")
            assert len(await blocks.text_content()) > before + 1_000
            assert one.problems == []


async def test_originals_appear_on_hover_and_with_the_keyboard_and_stay_on_a_click(demo):
    with served(demo.config) as server:
        async with window(server) as one:
            await one.visit(demo.long.link("/context"))
            why, peek = one.page.get_by_role("button", name="Why is this here?").first, one.page.locator("#peek")
            await why.hover()
            await peek.wait_for(state="visible")
            assert "Search" in await peek.text_content()
            await one.page.mouse.move(0, 0)
            await peek.wait_for(state="hidden")
            await why.focus()
            await peek.wait_for(state="visible")
            await one.page.keyboard.press("Escape")
            await peek.wait_for(state="hidden")
            await one.page.keyboard.press("Enter")
            original = one.page.locator(f"#{await why.get_attribute('data-into')}")
            await original.locator(".said").first.wait_for(state="visible")
            assert one.problems == []


async def test_the_slider_goes_through_the_compactions_and_the_link_follows(demo):
    with served(demo.config) as server:
        async with window(server) as one:
            await one.visit(demo.long.link("/compactions"))
            slider = one.page.get_by_role("slider", name="Checkpoint version")
            assert "folded in all32" in await one.page.locator("#change").text_content()
            await slider.focus()
            await one.page.keyboard.press("ArrowLeft")
            await becomes(one.page, "document.querySelector('#change').textContent.includes('in all16')")
            assert one.page.url.endswith("version=1")
            await one.page.reload()
            assert "in all16" in await one.page.locator("#change").text_content()
            await one.page.get_by_label("Protected turns").fill("1")
            await one.page.get_by_role("button", name="Plan").click()
            await one.page.locator("#dry-run table").wait_for()
            assert one.problems == []


async def test_the_threshold_hides_what_scores_less(demo):
    with served(demo.config) as server:
        async with window(server) as one:
            await one.visit(demo.facts.link("/long-term", namespace="facts", query="Where does Marta live?"))
            assert await one.page.locator("#found > li:visible").count() == 3
            await one.page.get_by_label("Threshold of the score").fill("0.5")
            assert await one.page.locator("#found > li:visible").count() == 1
            assert await one.page.locator("#found-count").text_content() == "1 of 3 records"
            assert one.problems == []


async def test_ids_and_links_are_copied_and_the_look_is_kept(demo):
    with served(demo.config) as server:
        async with window(server) as one:
            await one.visit(demo.long.link("/session"))
            await one.page.get_by_role("button", name=f"Copy the session's id {demo.long.session_id}").click()
            assert await one.page.evaluate("navigator.clipboard.readText()") == demo.long.session_id
            await one.page.get_by_role("button", name="Share link").click()
            assert await one.page.evaluate("navigator.clipboard.readText()") == one.page.url
            assert "token" not in one.page.url
            ground = "getComputedStyle(document.body).backgroundColor"
            light = await one.page.evaluate(ground)
            await one.page.get_by_role("button", name="Light or dark").click()
            dark = await one.page.evaluate(ground)
            assert light != dark
            await one.page.reload()
            assert await one.page.evaluate(ground) == dark
            assert one.problems == []


async def test_the_keyboard_alone_goes_from_page_to_page(demo):
    with served(demo.config) as server:
        async with window(server) as one:
            await one.page.keyboard.press("Tab")
            assert await one.page.evaluate("document.activeElement.textContent") == "To the content"
            await one.page.keyboard.press("Enter")
            await one.page.keyboard.press("Tab")  # the search
            await one.page.keyboard.type("an")
            await one.page.keyboard.press("Enter")
            await one.page.wait_for_url("**/?search=an")
            await one.page.get_by_role("link", name="ana").focus()
            await one.page.keyboard.press("Enter")
            await one.page.wait_for_url("**/sessions?actor=ana")
            assert one.problems == []


async def test_the_chat_streams_and_tells_what_memory_did(demo):
    config = demo.config
    with served(config, lambda: SlowModel([STORY], chunk_size=4, seconds=0.01), writable=True) as server:
        async with window(server) as one:
            await one.visit(f"/chat?actor=ana&session=chat-{os.getpid()}")
            await one.page.get_by_label("Message").fill("A story, please!\nAbout trains.")
            await one.page.keyboard.press("Enter")
            answer = one.page.locator(".exchange .answer")
            await becomes(one.page, "document.querySelector('.answer')?.textContent.length > 20")
            partly = await answer.text_content()
            await one.page.wait_for_selector(".exchange[data-done]")
            assert len(partly) < len(STORY)
            assert await answer.text_content() == STORY
            doings = await one.page.locator(".doings").text_content()
            assert "saved" in doings
            assert "1 model call," in doings
            assert one.problems == []


async def test_a_connection_that_is_dropped_goes_on_without_a_missing_or_doubled_character():
    memory = memory_of(session="chat-1", events=0)
    models = []

    def model():
        models.append(SlowModel([STORY], chunk_size=3, seconds=0.01))
        return models[-1]

    with served(memory.config, model, writable=True) as server:
        inner = int(server.base_url.rpartition(":")[2])
        async with severable(inner) as (port, sever), window(server, port=port) as one:
            await one.visit("/chat?actor=ann&session=chat-1")
            await one.page.get_by_label("Message").fill("A story!")
            await one.page.get_by_role("button", name="Send").click()
            for length in (40, 150, 300):
                await becomes(one.page, f"document.querySelector('.answer')?.textContent.length > {length}")
                assert sever() > 0
            await one.page.wait_for_selector(".exchange[data-done]")
            assert await one.page.locator(".answer").text_content() == STORY
            assert (await one.page.locator(".doings").text_content()).count("connection was resumed") >= 3
            assert len(models) == 1
            # Chromium itself reports each lost connection.
            assert [problem for problem in one.problems if "net::ERR_" not in problem] == []


async def test_stop_ends_an_answer_and_the_chat_goes_on():
    memory = memory_of(session="chat-1", events=0)
    model = SlowModel(["A long story. " * 300, "Yes."], chunk_size=3, seconds=0.01)
    with served(memory.config, lambda: model, writable=True) as server:
        async with window(server) as one:
            await one.visit("/chat?actor=ann&session=chat-1")
            await one.page.get_by_label("Message").fill("A story!")
            await one.page.keyboard.press("Enter")
            await becomes(one.page, "document.querySelector('.answer')?.textContent.length > 20")
            await one.page.get_by_role("button", name="Stop").click()
            await one.page.wait_for_selector(".exchange[data-done]")
            assert "Stopped." in await one.page.locator(".answer").text_content()
            assert one.problems == []


async def test_a_statement_is_pinned_after_a_question_and_unpinned_after_another():
    memory = memory_of(session="pins")
    with served(memory.config, writable=True) as server:
        async with window(server) as one:
            page = one.page
            await one.visit("/context?actor=ann&session=pins")
            await page.get_by_label("Statement").fill("Never call Ann by phone.")
            await page.get_by_role("button", name="Pin…", exact=True).click()
            await page.get_by_role("button", name="Yes").click()
            await page.get_by_role("button", name="Unpin…").wait_for()
            assert "Never call Ann by phone." in await page.locator(".summary-lines").text_content()
            await page.get_by_role("button", name="Unpin…").click()
            await page.get_by_role("button", name="Yes").click()
            await page.get_by_text("Nothing is pinned.").wait_for()
            assert one.problems == []


async def test_what_deletes_asks_first_and_no_is_no():
    memory = memory_of()
    memory.config.data_plane().batch_create_memory_records(
        memoryId=memory.config.memory_id,
        records=[
            {
                "requestIdentifier": "r1",
                "namespaces": ["/users/ann/facts/"],
                "content": {"text": "Ann lives in Porto."},
                "timestamp": 1_800_000_000,
            }
        ],
    )
    with served(memory.config, writable=True) as server:
        async with window(server) as one:
            page = one.page
            await one.visit(memory.place.link("/long-term", namespace="facts"))
            await page.get_by_role("button", name="Delete…").click()
            assert await page.evaluate("document.activeElement.textContent") == "No"
            await page.keyboard.press("Enter")
            await page.get_by_text("Nothing was changed.").wait_for()
            assert await page.locator(".records > li").count() == 1
            await page.get_by_role("button", name="Delete…").click()
            await page.get_by_role("button", name="Yes").click()
            await page.get_by_text("There is no record here yet.").wait_for()
            await one.visit("/sessions?actor=ann")
            await page.get_by_role("button", name="Forget…").click()
            await page.get_by_text("3 events").wait_for()
            assert await page.get_by_role("button", name="Yes").is_disabled()
            await page.get_by_label("Type ann").fill("ann")
            await page.get_by_role("button", name="Yes").click()
            await page.wait_for_url("**/")
            assert "ann" not in await page.locator("main ul.rows").text_content()
            assert one.problems == []


async def test_a_wait_shows_each_look_and_what_came():
    with LocalMemory() as service:
        config = MemoryConfig.local(service)
        bound = config.bind("ann", "s-1")
        with served(config) as server:
            async with window(server) as one:
                await one.visit("/long-term?actor=ann&session=s-1&namespace=facts")
                await one.page.get_by_role("button", name="Wait").click()
                await one.page.get_by_text(re.compile("look 1")).wait_for()
                bound.client.batch_create_memory_records(
                    memoryId=config.memory_id,
                    records=[
                        {
                            "requestIdentifier": "r1",
                            "namespaces": ["/users/ann/facts/"],
                            "content": {"text": "Ann lives in Porto."},
                            "timestamp": 1_800_000_000,
                        }
                    ],
                )
                await one.page.locator("#waited").get_by_text("Ann lives in Porto.").wait_for()
                assert one.problems == []


async def test_without_a_script_the_pages_are_still_there(demo):
    with served(demo.config) as server:
        async with playwright.async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            context = await browser.new_context(java_script_enabled=False)
            page = await context.new_page()
            await page.goto(server.url)
            await page.get_by_role("link", name="ana").click()
            await page.locator("main a[href^='/session?']").first.click()
            await page.get_by_role("link", name="What the model sees").click()
            assert "Tokens by part" in await page.locator("main").text_content()
            cookies = await context.cookies()
            assert json.dumps(cookies).count("agentmem_inspector") == 1
            await browser.close()
