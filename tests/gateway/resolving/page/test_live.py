"""The live status in the page: shown, said, followed, and unknown as soon as it does not hold."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from csid.status import Status, Told, strings
from tests.support.gateways import gateway_http
from tests.support.pages import ACTIVE, ENDED, FREE, ZONE, give
from tests.support.servers import make_data, serving


def test_a_status_that_a_node_answers_is_shown(browser: Browser, tmp_path: Path) -> None:
    told = Told(load=0.25, free={"chips": 5}, by="agent1")
    now = time.time_ns() // 1_000_000
    said = " ".join(
        f'"{one}"' for one in strings(Status(now, now + 3_600_000, "gw1", 7, told), now)
    )
    text = f"{ZONE}_status.{ACTIVE.to_dns_name()} 5 TXT {said}\n"
    with (
        serving(make_data(tmp_path / "root", text)) as root,
        gateway_http(tmp_path / "gateway", f"127.0.0.1:{root.port}") as found,
        browser.new_context(locale="zh-CN") as context,
    ):
        page = context.new_page()
        page.goto(f"http://{found.address}/?q={ACTIVE}")
        live = page.get_by_role("region", name="实时状态")
        expect(live.locator(".word")).to_have_text("空闲")
        expect(live).to_contain_text("gw1")
        expect(live).to_contain_text("25 %")


def test_a_status_is_shown_and_said_and_is_unknown_past_its_validity(page: Page) -> None:
    page.clock.install(time=datetime.fromisoformat(FREE["taken"]))
    give(page, "/v1/status/stream", ": nothing yet\n\n", "text/event-stream")
    give(page, f"{ACTIVE}/status", FREE)
    page.goto(f"/?q={ACTIVE}")
    live = page.get_by_role("region", name="Live status")
    expect(live.locator(".word")).to_have_text("free")
    expect(live).to_contain_text("gw1")
    expect(live).to_contain_text("25 %")
    expect(page.locator("#heard")).to_have_text("Live status: free")
    page.clock.run_for(29_000)
    expect(live.locator(".word")).to_have_text("free")
    page.clock.run_for(2_000)
    expect(live.locator(".word")).to_have_text("unknown")
    expect(live).not_to_contain_text("25 %")
    expect(page.locator("#heard")).to_have_text("Live status: unknown")


def test_a_status_holds_by_the_clock_of_the_gateway(page: Page) -> None:
    page.clock.install(time=datetime(2026, 11, 26, 8, tzinfo=UTC))
    there = {"Date": "Thu, 26 Nov 2026 10:00:27 GMT"}
    give(page, "/v1/status/stream", ": nothing yet\n\n", "text/event-stream")
    give(page, f"{ACTIVE}/status", FREE, headers=there)
    page.goto(f"/?q={ACTIVE}")
    live = page.get_by_role("region", name="Live status")
    expect(live.locator(".word")).to_have_text("free")
    page.clock.run_for(4_000)
    expect(live.locator(".word")).to_have_text("unknown")


def test_a_status_changes_as_it_is_told(page: Page) -> None:
    page.clock.install(time=datetime.fromisoformat(FREE["taken"]))
    busy = {**FREE, "status": "busy", "load": 1, "free": {"chips": 0}}
    other = {**FREE, "identifier": str(ENDED), "status": "down"}
    events = "".join(f"event: status\ndata: {json.dumps(one)}\n\n" for one in (busy, other))
    give(page, "/v1/status/stream", events, "text/event-stream")
    give(page, f"{ACTIVE}/status", FREE)
    page.goto(f"/?q={ACTIVE}")
    live = page.get_by_role("region", name="Live status")
    expect(live.locator(".word")).to_have_text("busy")
    expect(page.locator("#heard")).to_have_text("Live status: busy")


def test_a_status_that_others_were_told_is_asked_for_again(page: Page) -> None:
    page.clock.install(time=datetime.fromisoformat(FREE["taken"]))
    give(page, "/v1/status/stream", ": nothing yet\n\n", "text/event-stream")
    give(page, f"{ACTIVE}/status", FREE)
    page.goto(f"/?q={ACTIVE}")
    live = page.get_by_role("region", name="Live status")
    expect(live.locator(".word")).to_have_text("free")
    older = {**FREE, "status": "busy", "taken": "2026-11-26T09:59:59.000Z"}
    give(page, f"{ACTIVE}/status", older)
    with page.expect_response(re.compile("/status$")):
        page.clock.run_for(5_000)
    newer = {**FREE, "status": "down", "taken": "2026-11-26T10:00:05.000Z"}
    give(page, f"{ACTIVE}/status", newer)
    expect(live.locator(".word")).to_have_text("free")
    page.clock.run_for(5_000)
    expect(live.locator(".word")).to_have_text("down")


def test_a_page_that_nobody_sees_follows_nothing(page: Page) -> None:
    page.clock.install(time=datetime.fromisoformat(FREE["taken"]))
    give(page, "/v1/status/stream", ": nothing yet\n\n", "text/event-stream")
    give(page, f"{ACTIVE}/status", FREE)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/status" in one.url else None)
    with page.expect_request(re.compile("/v1/status/stream")):
        page.goto(f"/?q={ACTIVE}")
    see = """(seen) => {
      Object.defineProperty(document, "hidden", { value: !seen, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(see, False)
    asked.clear()
    page.clock.run_for(20_000)
    assert asked == []
    with page.expect_request(re.compile("/v1/status/stream")):
        page.evaluate(see, True)
