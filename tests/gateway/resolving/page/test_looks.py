"""The page as a screen reader has it, and for whoever sees little or is disturbed by what moves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.pages import ACTIVE, ENDED, FREE, STEPS, give, shows

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
        expect(page.locator("body")).to_match_aria_snapshot(SNAPSHOTS[locale])
        assert page.evaluate("document.documentElement.lang") == locale.replace("en-GB", "en")


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
