"""The page in a real browser, without a network: two sizes, light and dark, no error, no overflow, every step works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import require
from tests.flows.report.conftest import Made

SIZES = {"wide": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    require("playwright")
    require("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        program = shutil.which("chromium")
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any, small: Made, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page at one size and in one scheme. Whatever it logs, throws or asks for beyond itself fails the test."""
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(f"console: {message.text}"))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else wrong.append(asked.url))
    page.goto(small.page.as_uri())
    yield page
    assert wrong == []
    context.close()


every = pytest.mark.parametrize(
    "opened",
    [(size, scheme) for size in SIZES for scheme in ("light", "dark")],
    indirect=True,
    ids="-".join,
)
wide = pytest.mark.parametrize("opened", [("wide", "light")], indirect=True, ids=["wide"])

OVERFLOW = """() => {
  const root = document.documentElement;
  const inside = (node) => node.closest(".scroll, pre, nav, .skip, svg");
  const out = [...document.body.querySelectorAll("*")].filter(
    (node) => !inside(node) && node.getBoundingClientRect().right > root.clientWidth + 1);
  return {page: root.scrollWidth - root.clientWidth, out: out.map((node) => node.outerHTML.slice(0, 120))};
}"""

BRIGHTNESS = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)"

CLIPPED = """() => [...document.querySelectorAll("svg.chart")].filter((svg) => {
  const box = svg.getBoundingClientRect();
  return box.width && [...svg.querySelectorAll("text")].some((text) => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 14 || own.right > box.right + 14;
  });
}).map((svg) => svg.getAttribute("aria-label"))"""


@every
def test_it_fits_the_screen_and_follows_its_scheme(opened: Any, request: pytest.FixtureRequest) -> None:
    size, scheme = request.node.callspec.params["opened"]
    assert opened.evaluate(OVERFLOW) == {"page": 0, "out": []}
    assert (opened.evaluate(BRIGHTNESS) < 200) == (scheme == "dark")
    bar = opened.evaluate("() => getComputedStyle(document.querySelector('svg.chart [fill=\"var(--kept)\"]')).fill")
    assert bar == ("rgb(91, 191, 165)" if scheme == "dark" else "rgb(47, 133, 115)")
    curve = opened.locator("#training figure").first
    drawn = [curve.locator(f"svg.{kind}").is_visible() for kind in ("narrow", "wide")]
    assert drawn == [size == "phone", size == "wide"], "one of two drawings"
    everything = "() => document.querySelectorAll('details').forEach((each) => { each.name = ''; each.open = true })"
    opened.evaluate(everything)
    assert opened.evaluate(OVERFLOW) == {"page": 0, "out": []}
    assert opened.evaluate(CLIPPED) == []


@wide
def test_a_trace_is_stepped_through_by_keys_and_buttons(opened: Any) -> None:
    card = opened.locator(".card").filter(has_text="document.title")
    card.locator("summary").first.click()
    trace = card.locator(".trace").filter(has_text="oracle")
    frames = trace.locator(".frame")

    def visible() -> int:
        return [frames.nth(place).is_visible() for place in range(frames.count())].index(True)

    assert (frames.count(), visible()) == (5, 0)
    assert trace.get_by_role("button", name="Step back").is_disabled()
    trace.press("ArrowRight")
    first = frames.nth(1)
    assert visible() == 1
    assert first.locator("code").inner_text() == "crop(bbox_2d=[80, 180, 420, 520], target_image=1)"
    assert first.locator("img").count() == 2
    assert "136 × 102 pixel-equal" in first.locator("figcaption").nth(1).inner_text()
    assert "First the whole card." in first.inner_text()
    box, picture = first.locator(".box").bounding_box(), first.locator("img").first.bounding_box()
    assert abs((box["x"] - picture["x"]) / picture["width"] - 0.08) < 0.02
    assert abs(box["width"] / picture["width"] - 0.34) < 0.02
    trace.get_by_role("button", name="Step on").click()
    assert visible() == 2
    assert "68 × 51" in frames.nth(2).inner_text()
    trace.press("ArrowRight")
    assert "No more pictures can be made" in frames.nth(3).inner_text()
    trace.press("End")
    assert visible() == 4
    assert "It is red." in frames.nth(4).inner_text()
    assert trace.get_by_role("button", name="Step on").is_disabled()
    trace.press("Home")
    assert visible() == 0
    assert all(opened.evaluate("() => [...document.images].map((each) => each.complete && each.naturalWidth > 0)"))


@wide
def test_what_was_recorded_wrongly_is_marked(opened: Any) -> None:
    card = opened.locator(".card").filter(has_text="document.title")
    card.locator("summary").first.click()
    trace = card.locator(".trace").filter(has_text="policy’s own")
    trace.press("ArrowRight")
    assert "not as recorded" in trace.locator(".frame").nth(1).inner_text()
    trace.press("ArrowRight")
    assert trace.locator(".frame").nth(2).locator(".refusal").is_visible()


@wide
def test_the_address_of_a_sample_opens_it_and_text_stays_text(opened: Any) -> None:
    card = opened.locator(".card").filter(has_text="document.title")
    assert opened.title() == "everything · Evolens report"
    opened.evaluate("(id) => { location.hash = id }", card.get_attribute("id"))
    card.locator(".trace").first.wait_for(state="visible")
    assert card.evaluate("(each) => each.open")


@wide
def test_the_mark_under_the_pointer_says_what_it_is(opened: Any) -> None:
    bar = opened.locator("#funnel svg:visible [aria-label='r1/look: 6 rejected']")
    bar.hover()
    assert opened.locator("#tip").inner_text() == "r1/look: 6 rejected"
    opened.mouse.move(2, 2)
    assert not opened.locator("#tip").is_visible()


@wide
def test_every_picture_has_words_and_every_control_a_name(opened: Any) -> None:
    assert opened.evaluate("() => [...document.images].every((each) => each.alt.length > 10)")
    assert opened.evaluate(
        "() => [...document.querySelectorAll('svg.chart')].every((each) => each.ariaLabel.length > 10)"
    )
    ids = opened.evaluate("() => [...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    named = "() => [...document.querySelectorAll('button, [role=region]')].every((each) => each.ariaLabel)"
    assert opened.evaluate(named)


def test_without_a_script_every_step_is_there(browser: Any, small: Made) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(small.page.as_uri())
    card = page.locator(".card").filter(has_text="document.title")
    card.locator("summary").first.click()
    frames = card.locator(".trace").first.locator(".frame")
    assert all(frames.nth(place).is_visible() for place in range(frames.count()))
    context.close()
