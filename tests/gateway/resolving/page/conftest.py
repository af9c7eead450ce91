"""A gateway, a browser (Chromium, headless), and a person who reads English."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.gateways import gateway_http
from tests.support.pages import MILLISECONDS, ZONE
from tests.support.servers import make_data, serving

# As root there is no sandbox; a container may have little shared memory.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway, as its page is asked for."""
    folder = tmp_path_factory.mktemp("page")
    with (
        serving(make_data(folder / "root", ZONE)) as root,
        gateway_http(folder / "gateway", f"127.0.0.1:{root.port}") as found,
    ):
        yield f"http://{found.address}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """That of Debian; a skip where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def context(browser: Browser, gateway: str) -> Iterator[BrowserContext]:
    """A person who reads English; nothing may be asked of another host, nothing may go wrong."""
    with browser.new_context(locale="en-GB", base_url=gateway) as found:
        found.set_default_timeout(MILLISECONDS)
        wrong: list[str] = []
        found.on("request", lambda one: one.url.startswith(gateway) or wrong.append(one.url))
        found.on("weberror", lambda one: wrong.append(str(one.error)))
        found.on("console", lambda one: _is_harmless(one.text) or wrong.append(one.text))
        found.on("dialog", lambda one: wrong.append(one.message))
        yield found
        assert wrong == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def _is_harmless(text: str) -> bool:
    # The browser tells of each answer that is no success; the page looks for what there may not be.
    return text.startswith("Failed to load resource: ")
