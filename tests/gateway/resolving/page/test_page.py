"""The page in a browser (Chromium, headless), before a real gateway: by keyboard alone, as a screen
reader has it, in both languages.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from csid.identifier import parse
from csid.record import Record, encode
from tests.support.gateways import gateway_http
from tests.support.identifiers import PRINTED
from tests.support.records import FULL
from tests.support.servers import SUFFIX, make_data, serving

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

ACTIVE, MOVED, ENDED, ABSENT = map(parse, PRINTED)
HOSTILE = '<img src=x onerror="alert(1)">'
FACTS: dict[str, Any] = {
    "state": "active",
    "name": HOSTILE,
    "chip": "昇腾 910B",
    "count": 8,
    "endpoints": ["https://a.example:8443/v1", "javascript://b.example:443/%0aalert(1)"],
}
OWNER = ACTIVE.to_dns_name().split(".", 4)[4]
MILLISECONDS = 10_000  # for anything a test waits for
STEPS: list[dict[str, Any]] = [
    {
        "zone": ".",
        "server": "192.0.2.1:53",
        "server_name": None,
        "name": ACTIVE.to_dns_name(),
        "type": "TYPE65347",
        "depth": 0,
        "milliseconds": 1.234,
        "outcome": "referral",
        "said": f"referral to {OWNER}: ns.{OWNER}",
    },
    {
        "zone": OWNER,
        "server": "192.0.2.77:5300",
        "server_name": f"ns.{OWNER}",
        "name": ACTIVE.to_dns_name(),
        "type": "TYPE65347",
        "depth": 0,
        "milliseconds": 1800.4,
        "outcome": "no answer",
        "said": "no answer in time",
    },
]
FREE: dict[str, Any] = {
    "identifier": str(ACTIVE),
    "status": "free",
    "age": 1,
    "taken": "2026-11-26T10:00:00.000Z",
    "until": "2026-11-26T10:00:31.000Z",
    "source": "gw1",
    "health": "ok",
    "load": 0.25,
    "free": {"chips": 5},
}
# The least contrast of a text to what is behind it; every element that has a text of its own.
CONTRAST = """() => {
  const channel = (one) => (one /= 255) <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
  const shares = [0.2126, 0.7152, 0.0722];
  const light = (rgb) => shares.reduce((sum, share, at) => sum + share * channel(rgb[at]), 0);
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const found = numbers(getComputedStyle(one).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const one of document.body.querySelectorAll("*:not(svg *):not(svg):not(.unseen)")) {
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    if (!one.checkVisibility()) continue;
    const own = light(numbers(getComputedStyle(one).color)), other = light(behind(one));
    const ratio = (Math.max(own, other) + 0.05) / (Math.min(own, other) + 0.05);
    found.push([ratio, one.outerHTML.slice(0, 80)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""


def _line(name: str, facts: dict[str, Any]) -> str:
    data = encode(Record(facts))
    return f"{name} TYPE65347 \\# {len(data)} {data.hex()}\n"


ZONE = f"""\
$TTL 300
@ SOA ns hostmaster 1 7200 900 1209600 60
  NS ns
ns A 127.0.0.1
{MOVED.to_dns_name()} CNAME {ACTIVE.to_dns_name()}
{_line(ACTIVE.to_dns_name(), FACTS)}{_line(ENDED.to_dns_name(), FULL)}"""


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
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
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


def shows(page: Page, name: str) -> None:
    expect(page.get_by_role("region", name=name)).to_be_visible(timeout=MILLISECONDS)


def give(
    page: Page,
    path: str,
    answer: object,
    media: str = "application/json",
    headers: dict[str, str] | None = None,
) -> None:
    """Let the gateway have another answer to a call, in the form that is agreed."""
    body = answer if isinstance(answer, str) else json.dumps(answer)

    def fulfil(route: Route) -> None:
        said = {"Content-Type": media, **(headers or {})}
        route.fulfill(status=200, headers=said, body=body)

    page.route(re.compile(re.escape(path)), fulfil)


def test_by_keyboard_alone(page: Page, gateway: str) -> None:
    page.goto("/")
    box = page.get_by_role("textbox", name="Identifier, DNS name or Handle")
    expect(box).to_be_focused()
    page.keyboard.type(str(ACTIVE))
    page.keyboard.press("Enter")
    shows(page, "What it resolves to")
    expect(page.get_by_role("status").first).to_have_text(f"{ACTIVE}: active.")
    expect(box).to_be_focused()
    assert httpx.URL(page.url).params["q"] == str(ACTIVE)

    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert reached[:3] == ["Resolve", "https://a.example:8443/v1", "All of it (JSON)"]
    page.get_by_text("All of it (JSON)").focus()
    page.keyboard.press("Enter")
    expect(page.locator("pre")).to_contain_text(f'"identifier": "{ACTIVE}"')

    page.evaluate("document.activeElement.blur()")
    page.goto(f"/?q={ABSENT}")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the results")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#results")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Resolve")).to_be_focused()


SNAPSHOTS = {
    "en-GB": """
        - link "Skip to the results"
        - banner:
          - heading "Compute identifiers" [level=1]
          - group "语言 Language":
            - button "中文"
            - button "English" [pressed]
        - main:
          - search:
            - textbox "Identifier, DNS name or Handle"
            - button "Resolve"
          - status
          - region "What it resolves to":
            - heading "What it resolves to" [level=2]
            - paragraph: active
            - heading "Endpoints" [level=3]
            - list:
              - listitem:
                - link "https://a.example:8443/v1"
            - heading "Record" [level=3]
            - term: Chip
            - definition: 昇腾 910B
          - region "Live status":
            - heading "Live status" [level=2]
            - paragraph: unknown
          - region "What it means":
            - heading "What it means" [level=2]
            - table "What each segment of the identifier means":
              - rowgroup:
                - row "Segment Written Means":
                  - columnheader "Segment"
                  - columnheader "Written"
                  - columnheader "Means"
              - rowgroup:
                - row /Owner .+ 91330106673959654P/:
                  - rowheader /Owner/
                  - cell "91330106673959654P"
        - contentinfo:
          - link "The interface for programs (OpenAPI)"
    """,
    "zh-CN": """
        - link "跳至解析结果"
        - banner:
          - heading "算力标识解析" [level=1]
          - group "语言 Language":
            - button "中文" [pressed]
            - button "English"
        - main:
          - search:
            - textbox "标识、域名或 Handle"
            - button "解析"
          - status
          - region "解析结果":
            - heading "解析结果" [level=2]
            - paragraph: 有效
            - heading "接入地址" [level=3]
            - list:
              - listitem:
                - link "https://a.example:8443/v1"
            - heading "记录" [level=3]
            - term: 芯片
            - definition: 昇腾 910B
          - region "实时状态":
            - heading "实时状态" [level=2]
            - paragraph: 未知
          - region "逐段释义":
            - heading "逐段释义" [level=2]
            - table "标识各段的含义":
              - rowgroup:
                - row "段 写作 含义"
              - rowgroup:
                - row /所属主体.+ 91330106673959654P/:
                  - rowheader /所属主体/
                  - cell "91330106673959654P"
        - contentinfo:
          - link "程序接口（OpenAPI）"
    """,
}


@pytest.mark.parametrize("locale", list(SNAPSHOTS))
def test_a_screen_reader_has_names_and_landmarks(
    browser: Browser, gateway: str, locale: str
) -> None:
    with browser.new_context(locale=locale, base_url=gateway) as found:
        page = found.new_page()
        page.goto(f"/?q={ACTIVE}")
        expect(page.locator("body")).to_match_aria_snapshot(SNAPSHOTS[locale], timeout=MILLISECONDS)
        assert page.evaluate("document.documentElement.lang") == locale.replace("en-GB", "en")


def test_the_language_is_changed_by_keyboard_and_stays(page: Page) -> None:
    page.goto(f"/?q={ACTIVE}")
    shows(page, "What it means")
    chinese = page.get_by_role("button", name="中文")
    chinese.focus()
    page.keyboard.press("Space")
    shows(page, "逐段释义")
    expect(page.get_by_role("region", name="逐段释义")).to_contain_text("浙江省 杭州市 西湖区")
    expect(chinese).to_have_attribute("aria-pressed", "true")
    page.reload()
    shows(page, "解析结果")
    page.get_by_role("button", name="English").click()
    shows(page, "What it resolves to")


def test_what_is_being_typed_outlives_a_change_of_language(page: Page) -> None:
    page.goto("/")
    page.get_by_role("textbox").fill("9133")
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("textbox")).to_have_value("9133")


@pytest.mark.parametrize("text", [str(ACTIVE), ACTIVE.to_dns_name(), ACTIVE.to_handle("20.500.1")])
def test_each_way_to_write_it_is_taken_and_can_be_passed_on(page: Page, text: str) -> None:
    page.goto("/")
    page.get_by_role("textbox").fill(f"  {text} ")
    page.get_by_role("button", name="Resolve").click()
    found = page.get_by_role("region", name="What it resolves to")
    expect(found).to_contain_text(ACTIVE.to_dns_name())
    page.goto(page.url)
    expect(found).to_contain_text(str(ACTIVE))


def test_back_leads_to_what_was_asked_before(page: Page) -> None:
    page.goto(f"/?q={ACTIVE}")
    shows(page, "What it resolves to")
    page.get_by_role("textbox").fill(str(ENDED))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text(f"{ENDED}: retired.")
    page.go_back()
    expect(page.get_by_role("status").first).to_have_text(f"{ACTIVE}: active.")
    expect(page.get_by_role("textbox")).to_have_value(str(ACTIVE))


def test_what_strangers_write_is_text(page: Page) -> None:
    page.goto(f"/?q={ACTIVE}")
    found = page.get_by_role("region", name="What it resolves to")
    expect(found).to_contain_text(HOSTILE)
    expect(found.get_by_role("img")).to_have_count(0)
    expect(found).to_contain_text("javascript://b.example")
    expect(found.get_by_role("link")).to_have_count(1)
    page.goto("/?q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    expect(page.get_by_role("alert")).to_contain_text("this is no identifier")


def test_an_alias_says_what_it_leads_to(page: Page) -> None:
    page.goto(f"/?q={MOVED}")
    found = page.get_by_role("region", name="What it resolves to")
    expect(found).to_contain_text(f"{MOVED} is an alias; it leads to {ACTIVE}.")
    expect(page.get_by_role("status").first).to_have_text(f"{ACTIVE}: active.")


def test_what_has_ended_is_shown_as_its_tombstone(page: Page) -> None:
    page.goto(f"/?q={ENDED}")
    found = page.get_by_role("region", name="What it resolves to")
    expect(found).to_contain_text("retired")
    expect(found).to_contain_text(FULL["successor"])


@pytest.mark.parametrize(("language", "title"), [("English", "this is no"), ("中文", "标识不合规")])
def test_what_is_no_identifier_is_said_beside_the_box(
    page: Page, language: str, title: str
) -> None:
    page.goto(f"/?q={str(ACTIVE)[:-1]}X")
    page.get_by_role("button", name=language).click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(title)
    box = page.get_by_role("textbox")
    expect(box).to_have_attribute("aria-invalid", "true")
    said = alert.text_content()
    assert said
    expect(box).to_have_accessible_description(re.compile(re.escape(said)))
    expect(page.get_by_role("region")).to_have_count(0)


def test_nothing_given_is_said(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(re.compile("Type or paste"))
    expect(page.get_by_role("textbox")).to_be_focused()


def test_what_is_not_there_is_said_and_still_has_a_meaning(page: Page) -> None:
    page.goto(f"/?q={ABSENT}")
    expect(page.get_by_role("alert")).to_contain_text("there is no such")
    shows(page, "What it means")
    expect(page.get_by_role("region", name="The path from the root")).to_contain_text("NXDOMAIN")
    expect(page.get_by_role("region")).to_have_count(2)


def test_a_gateway_that_is_away_is_not_an_identifier_that_is(page: Page) -> None:
    page.goto("/")
    page.route("**/v1/identifiers/**", lambda route: route.abort())
    page.get_by_role("textbox").fill(str(ACTIVE))
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(re.compile("cannot be reached"))


def test_the_walk_is_told_and_drawn(page: Page) -> None:
    page.goto(f"/?q={ACTIVE}")
    walk = page.get_by_role("region", name="The path from the root")
    expect(walk.get_by_role("img", name="Picture of the walk, 1 steps")).to_be_visible()
    expect(walk.locator("svg rect")).to_have_count(1)
    asked = rf"asked 127\.0\.0\.1:\d+ \({SUFFIX}\) for {ACTIVE.to_dns_name()} TYPE65347"
    expect(walk.get_by_role("listitem")).to_have_text(re.compile(rf"^{asked}: answer, .+ ms$"))
    page.get_by_role("button", name="中文").click()
    chinese = page.get_by_role("region", name="自根逐级解析")
    expect(chinese.get_by_role("listitem")).to_have_text(re.compile(r"^向 127.+：应答，.+ 毫秒$"))


def test_a_walk_shows_who_has_not_answered(page: Page) -> None:
    give(page, "/trace", [*STEPS, {**STEPS[0], "depth": 1}])
    page.goto(f"/?q={ACTIVE}")
    walk = page.get_by_role("region", name="The path from the root")
    expect(walk.get_by_role("img", name="Picture of the walk, 2 steps")).to_be_visible()
    expect(walk.locator("svg .vain")).to_contain_text("no answer")
    expect(walk.get_by_role("listitem")).to_have_count(3)
    expect(walk.get_by_role("listitem").nth(1)).to_have_text(
        f"asked ns.{OWNER} 192.0.2.77:5300 ({OWNER}) for {ACTIVE.to_dns_name()} TYPE65347: "
        "no answer in time, 1800 ms"
    )


@pytest.mark.parametrize("answer", ["[]", "nothing"])
def test_there_is_no_picture_where_no_walk_is_told(page: Page, answer: str) -> None:
    give(page, "/trace", answer)
    with page.expect_response(re.compile("/trace$")):
        page.goto(f"/?q={ACTIVE}")
    shows(page, "What it means")
    expect(page.get_by_role("region", name="The path from the root")).to_have_count(0)


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("text", [str(ACTIVE), str(ENDED), "nothing"])
def test_each_text_stands_out(browser: Browser, gateway: str, scheme: Any, text: str) -> None:
    with browser.new_context(color_scheme=scheme, base_url=gateway) as found:
        page = found.new_page()
        page.clock.install(time=datetime.fromisoformat(FREE["taken"]))
        give(page, "/trace", STEPS)
        give(page, "/v1/status/stream", "", "text/event-stream")
        give(page, f"{ACTIVE}/status", FREE)
        page.goto(f"/?q={text}")
        expect(page.get_by_role("alert" if text == "nothing" else "table")).to_be_visible()
        contrasts = page.evaluate(CONTRAST)
        assert contrasts and contrasts[0][0] >= 4.5, contrasts[0]


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, gateway: str, width: int) -> None:
    size: Any = {"width": width, "height": 800}
    with browser.new_context(viewport=size, base_url=gateway) as found:
        page = found.new_page()
        give(page, "/trace", STEPS)
        page.goto(f"/?q={ACTIVE}")
        shows(page, "What it means")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_who_asks_for_that(
    browser: Browser, gateway: str, motion: Any, moves: bool
) -> None:
    with browser.new_context(reduced_motion=motion, base_url=gateway) as found:
        page = found.new_page()
        give(page, "/trace", STEPS)
        page.goto(f"/?q={ACTIVE}")
        drawn = page.locator("svg.walk > g").first
        name = drawn.evaluate("(one) => getComputedStyle(one).animationName")
        assert (name != "none") is moves


def test_files_are_not_sent_to_who_has_them(gateway: str) -> None:
    with httpx.Client(base_url=gateway) as client:
        for path in ("/", "/page/script.js", "/page/fields.json"):
            first = client.get(path)
            assert first.status_code == 200 and first.content
            again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            head = client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["etag"] == first.headers["etag"]
        assert client.get("/page/__init__.py").status_code == 404
        assert client.post("/").status_code == 405
