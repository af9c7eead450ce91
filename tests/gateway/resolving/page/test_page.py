"""The page in a browser before a real gateway: by keyboard alone, in both languages."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import ABSENT, ACTIVE, ENDED, HOSTILE, MOVED, OWNER, STEPS, give, shows
from tests.support.records import FULL
from tests.support.servers import SUFFIX


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
