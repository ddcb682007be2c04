"""The report in a real headless Chromium: it asks for nothing, complains of nothing, fits screen, phone and paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import chromium
from report import scenes

from livemerc.report import html
from livemerc.sessions.bookmarks import append_bookmark, bookmark_now
from livemerc.sessions.session import read_session

CONTRASTS = """
(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = numbers(colour).map(v => v / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || e.matches('title, desc, .glyph') || !e.getClientRects().length) continue;
    const colour = e instanceof SVGElement ? getComputedStyle(e).fill : getComputedStyle(e).color;
    const pair = [light(colour), light(ground(e))].sort((a, b) => a - b);
    const ratio = (pair[1] + .05) / (pair[0] + .05);
    if (ratio < 4.5) poor.push(`${e.tagName} ${e.className.baseVal ?? e.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
})()
"""
SHOWN = "[...document.querySelectorAll('svg')].filter(s => s.getClientRects().length).map(s => s.classList[0])"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    if chromium.find() is None:
        pytest.skip("no chromium here (Debian's package `chromium`): the report was not looked at in a browser")
    with chromium.running(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    scenes.write(folder / "hostile", scenes.hostile(), source=scenes.HOSTILE_TEXTS[0], consent=scenes.HOSTILE_TEXTS[1])
    append_bookmark(folder / "hostile", bookmark_now(4.0, scenes.HOSTILE_TEXTS[2]))
    scenes.write(folder / "lively", scenes.lively(), scenes.CORRECTIONS)
    scenes.write(folder / "empty", scenes.lively()[:1])
    found = {}
    for name in ("hostile", "lively", "empty"):
        found[name] = folder / f"{name}.html"
        found[name].write_text(html(read_session(folder / name)), encoding="utf-8")
    return found


@pytest.mark.parametrize("name", ["hostile", "lively", "empty"])
def test_it_asks_for_nothing_runs_nothing_and_complains_of_nothing(
    browser: chromium.Chromium, pages: dict[str, Path], name: str
) -> None:
    browser.view(1000, 900)
    seen = browser.open(pages[name].as_uri())
    assert seen.requests == [pages[name].as_uri()]
    assert seen.console == seen.errors == []
    assert seen.dialogs == []
    assert browser.evaluate("document.scripts.length") == 0
    assert browser.evaluate("document.querySelectorAll('img, iframe, object, embed, form, a[href^=java]').length") == 0
    assert browser.evaluate("document.compatMode") == "CSS1Compat"


def test_what_were_injected_all_the_same_would_be_refused_and_seen(
    browser: chromium.Chromium, pages: dict[str, Path], tmp_path: Path
) -> None:
    injected = (
        "<img src='https://evil.example/x' onerror='window.hit=1'><script>window.hit=1</script><style>b{}</style>"
    )
    page = tmp_path / "injected.html"
    page.write_text(pages["lively"].read_text("utf-8").replace("<main>", f"<main>{injected}"), encoding="utf-8")
    seen = browser.open(page.as_uri())
    assert len([line for line in seen.errors if "Content Security Policy" in line]) >= 3
    assert browser.evaluate("window.hit === undefined")


@pytest.mark.parametrize("name", ["hostile", "lively", "empty"])
@pytest.mark.parametrize("width", [320, 390, 1000])
def test_no_width_makes_it_scroll_sideways(
    browser: chromium.Chromium, pages: dict[str, Path], name: str, width: int
) -> None:
    browser.view(width, 800, mobile=width < 500)
    browser.open(pages[name].as_uri())
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert set(browser.evaluate(SHOWN)) <= {"slim" if width < 500 else "wide"}


@pytest.mark.parametrize("dark", [False, True])
def test_its_text_has_contrast_by_day_and_by_night(
    browser: chromium.Chromium, pages: dict[str, Path], dark: bool
) -> None:
    browser.view(1000, 900, dark=dark)
    browser.open(pages["lively"].as_uri())
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    assert browser.evaluate(CONTRASTS) == []


def test_paper_is_light_and_has_no_menu_whatever_the_screen_prefers(
    browser: chromium.Chromium, pages: dict[str, Path]
) -> None:
    browser.view(390, 800, dark=True, mobile=True)
    browser.open(pages["lively"].as_uri())
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    browser.call("Emulation.setEmulatedMedia", media="print", features=[dark])
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert set(browser.evaluate(SHOWN)) == {"wide"}
    browser.call("Emulation.setEmulatedMedia", media="", features=[])
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 15


def test_headings_landmarks_and_tables_are_there_for_a_screen_reader(
    browser: chromium.Chromium, pages: dict[str, Path]
) -> None:
    browser.view(1000, 900)
    browser.open(pages["lively"].as_uri())
    assert browser.evaluate("document.documentElement.lang") == "en"
    assert browser.evaluate("document.querySelectorAll('h1').length") == 1
    assert browser.evaluate("['header', 'nav', 'main', 'footer'].every(n => document.querySelectorAll(n).length == 1)")
    assert browser.evaluate("[...document.querySelectorAll('table')].every(t => t.querySelector('th[scope]'))")
    assert browser.evaluate(
        "[...document.querySelectorAll('svg')].every(s => s.getAttribute('aria-labelledby').split(' ')"
        ".every(id => document.getElementById(id).textContent))"
    )
    assert browser.evaluate(
        "[...document.querySelectorAll('nav a')].every(a => document.getElementById(a.hash.slice(1)))"
    )
