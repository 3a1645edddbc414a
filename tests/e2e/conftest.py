"""A real browser at a real node: Chromium by Playwright, and a demonstration of one hospital.

XINGLIN_DEMO_JSON names the demo.json of a running demonstration; without it a small one of the tests' own is started.
"""

import base64
import hmac
import json
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from consortium.client import Node
from consortium.management import postgres
from consortium.management.demo.plan import HOSPITALS
from consortium.management.demo.supervisor import Supervisor

CHECKOUT = Path(__file__).resolve().parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
AXE = CHECKOUT / "node_modules" / "axe-core" / "axe.min.js"
# Told by the browser itself, whatever the console shows.
WATCH_POLICY = """
window.addEventListener('securitypolicyviolation', (event) =>
  console.error('POLICY ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sourceFile))
"""


@dataclass
class Demo:
    """A running demonstration, as its demo.json describes it."""

    description: dict[str, Any]
    used: dict[str, int] = field(default_factory=dict)

    def person(self, username: str) -> dict[str, Any]:
        return next(one for one in self.description["people"] if one["username"] == username)

    @property
    def url(self) -> str:
        """The first hospital's first page; ends with a slash."""
        return str(self.person("alice")["url"])

    def code(self, username: str) -> str:
        """What the person's authenticator app shows (RFC 6238); never the same code twice, because it is good once."""
        secret = self.person(username)["totp_secret"]
        key = base64.b32decode(secret + "=" * (-len(secret) % 8))
        # The next code is accepted already; for one after that, wait.
        counter = max(int(time.time()) // 30, self.used.get(username, 0) + 1)
        while counter > int(time.time()) // 30 + 1:
            time.sleep(0.5)
        self.used[username] = counter
        digest = hmac.digest(key, struct.pack(">Q", counter), "sha1")
        place = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[place : place + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's Chromium. Without one these tests are skipped, and say so."""
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    pytest.skip("NO BROWSER: the browser tests were NOT run. Install one: apt-get install chromium")


@pytest.fixture(scope="module")
def demo(chromium: str, session_folder: Path) -> Iterator[Demo]:
    if running := os.environ.get("XINGLIN_DEMO_JSON"):
        yield Demo(json.loads(Path(running).read_text()))
        return
    shown = session_folder / "e2e"
    consortium = Supervisor(shown / "demo", shown, members=HOSPITALS[:1], patients=4, settings=postgres.THROWN_AWAY)
    try:
        consortium.start()
        running_demo = Demo(consortium.description())
        wait_for_confirmation(running_demo)
        yield running_demo
    finally:
        consortium.stop()
        consortium.cluster.remove()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Ends with its module: while Playwright runs, its event loop keeps Django from the database in this process."""
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield program
        program.close()


def wait_for_confirmation(demo: Demo) -> None:
    """Until the consortium has confirmed what was stored last, and with it everything before."""
    node = demo.description["nodes"][0]
    with Node(node["url"], node["client_id"], node["client_secret"]) as engine:
        newest = next(engine.search("Observation", _sort="-_lastUpdated", _count="1"))
        engine.evidence("Observation", newest["id"], int(newest["meta"]["versionId"]), wait=60)


@dataclass
class Visit:
    """One reader's window, and everything in it that must not happen."""

    page: Page
    context: BrowserContext
    url: str
    wrong: list[str]

    def go(self, path: str) -> None:
        self.page.goto(self.url.rstrip("/") + path)

    def speak(self, language: str) -> None:
        self.page.locator(f"button[name=language][value={language}]").click()

    def check_accessibility(self) -> None:
        """No violation of any rule of axe-core's, on the page as it is now."""
        if not self.page.evaluate("Boolean(window.axe)"):
            # By the inspector's protocol: neither a request nor an inline script, so no policy has to give way.
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert not [
            f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ], self.page.url

    def check_fits(self) -> None:
        """Nothing is wider than the window."""
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= self.page.viewport_size["width"], self.page.url  # type: ignore[index]


Open = Callable[..., Any]


@pytest.fixture
def visit(browser: Browser, demo: Demo) -> Open:
    """`with visit(width=360) as somebody:` – a fresh window; afterwards nothing forbidden may have happened in it."""

    @contextmanager
    def open_window(*, width: int = 1280, scripts: bool = True) -> Iterator[Visit]:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, locale="en-GB", java_script_enabled=scripts
        )
        context.add_init_script(WATCH_POLICY)
        page = context.new_page()
        wrong: list[str] = []

        def asked(request: Request) -> None:
            if not request.url.startswith((demo.url, "data:", "blob:")):
                wrong.append(f"a request to another host: {request.url}")

        page.on("request", asked)
        page.on("pageerror", lambda error: wrong.append(f"a script failed: {error}"))
        page.on(
            "console",
            lambda said: (
                wrong.append(f"{said.type}: {said.text}")
                if said.type == "error" and "Failed to load resource" not in said.text
                else None
            ),
        )
        yield Visit(page, context, demo.url, wrong)
        context.close()
        assert not wrong

    return open_window


@pytest.fixture(scope="module")
def sessions() -> dict[str, Any]:
    """The session cookies of those who have signed in, by username."""
    return {}


@pytest.fixture
def sign_in(demo: Demo, sessions: dict[str, Any]) -> Callable[..., None]:
    """`sign_in(somebody, "alice")`. Each person signs in once for all tests, because one-time codes are good once and
    the next one takes half a minute; `anew` does it again all the same.
    """

    def come_in(somebody: Visit, username: str, *, anew: bool = False) -> None:
        if username in sessions and not anew:
            somebody.context.add_cookies(sessions[username])
            somebody.go("/")
            return
        somebody.go("/account/login/")
        somebody.page.fill("#id_login", username)
        somebody.page.fill("#id_password", demo.person(username)["password"])
        somebody.page.keyboard.press("Enter")
        somebody.page.fill("#id_code", demo.code(username))
        somebody.page.keyboard.press("Enter")
        somebody.page.wait_for_url(demo.url)
        sessions[username] = somebody.context.cookies()

    return come_in
