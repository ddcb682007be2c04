"""Words, names, labels, sources and reasons come from anyone: nothing in them becomes markup."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report.scenes import HOSTILE_NAME, HOSTILE_TEXTS, hostile, lively, write

from livemerc.report import html
from livemerc.report.markup import Html, join, tag
from livemerc.report.style import content_security_policy, style_sheet
from livemerc.sessions.bookmarks import append_bookmark, bookmark_now
from livemerc.sessions.session import read_session
from livemerc.text_safety import plain_text

ELEMENTS = frozenset(
    ["html", "head", "meta", "title", "link", "style", "body", "a", "header", "h1", "h2", "h3", "dl", "dt", "dd",
     "div", "p", "nav", "ul", "ol", "li", "main", "section", "figure", "figcaption", "svg", "desc", "rect",
     "line", "path", "text", "table", "caption", "thead", "tbody", "tr", "th", "td", "b", "i", "span", "small",
     "bdi", "code", "time", "footer"]
)  # fmt: skip
ATTRIBUTES = frozenset(
    ["charset", "http-equiv", "content", "name", "rel", "href", "class", "id", "lang", "role", "aria-label",
     "aria-labelledby", "aria-hidden", "tabindex", "scope", "colspan", "datetime", "viewBox", "width", "height",
     "x", "y", "x1", "x2", "y1", "y2", "rx", "d"]
)  # fmt: skip


def parsed(document: str) -> Element:
    """As a browser parses it (the WHATWG algorithm), and no parse error."""
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    root = parser.parse(document)
    assert parser.errors == []
    return root


def local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile") / '"><script>alert(20)</script>'
    folder = folder.parent / folder.name.replace("/", "\u2044")
    write(folder, hostile(), source=HOSTILE_TEXTS[0], consent=HOSTILE_TEXTS[1], started_at="<b>now</b>")
    append_bookmark(folder, bookmark_now(4.0, HOSTILE_TEXTS[2]))
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"type":"<script>alert(21)</script>"}\n')
    return html(read_session(folder))


def test_only_elements_and_attributes_of_the_report_are_in_it(document: str) -> None:
    for element in parsed(document).iter():
        if not isinstance(element.tag, str):
            pytest.fail(f"a comment or the like: {element.text!r}")
        assert local(element) in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES


def test_links_lead_into_the_page_and_nowhere_else(document: str) -> None:
    root = parsed(document)
    ids = {element.get("id") for element in root.iter()}
    links = [element for element in root.iter() if element.get("href") is not None]
    assert len(links) > 5
    for link in links:
        href = link.get("href") or ""
        assert href == "data:," if local(link) == "link" else href[0] == "#" and href[1:] in ids


def test_every_id_is_there_once(document: str) -> None:
    ids = [element.get("id") for element in parsed(document).iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_the_only_style_sheet_is_ours_and_the_policy_allows_nothing_else(document: str) -> None:
    styles = [element for element in parsed(document).iter() if local(element) == "style"]
    assert [style.text for style in styles] == [style_sheet()]
    policies = [e.get("content") for e in parsed(document).iter() if e.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [content_security_policy(style_sheet())]
    assert "default-src 'none'" in str(policies[0])
    assert "unsafe" not in str(policies[0])
    for outside in ("url(", "@import", "expression(", "http:", "https:", "//"):
        assert outside not in style_sheet()


def test_what_was_said_stands_there_as_it_was_said(document: str) -> None:
    section = next(e for e in parsed(document).iter() if e.get("id") == "transcript")
    cells = [row.findall("td") for row in section.iter("tr") if row.find("td") is not None]
    said = [cell[2].find("bdi") for cell in cells]
    for text, cell in zip(HOSTILE_TEXTS * 2, said, strict=True):
        expected = plain_text(text.encode("utf-8", "replace").decode()).strip()
        assert ("" if cell is None else cell.text) == expected
    assert HOSTILE_NAME in "".join(section.itertext())


def test_nothing_in_it_steers_the_direction_of_the_page(document: str) -> None:
    assert not set(document) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\x1b\x00\u2028")
    document.encode("utf-8")


@settings(max_examples=60, deadline=None)
@given(words=st.text(), name=st.text())
def test_any_text_comes_out_as_it_is_seen(words: str, name: str) -> None:
    markup = "<!doctype html><title>x</title>" + tag("p", tag("b", name), words, class_=name, id="it")
    root = html5lib.HTMLParser(namespaceHTMLElements=False).parse(markup)
    paragraph = next(e for e in root.iter() if e.get("id") == "it")
    assert "".join(paragraph.itertext()) == plain_text(name) + plain_text(words)
    assert paragraph.get("class") == plain_text(name)
    assert [local(e) for e in paragraph.iter()] == ["p", "b"]


def test_strings_are_escaped_and_only_markup_is_not() -> None:
    assert tag("p", "<b>", tag("i", "&"), None, False) == "<p>&lt;b&gt;<i>&amp;</i></p>"
    assert join(["<", Html("<br>")], ", ") == "&lt;, <br>"
    assert tag("a", href="\"'<>&") == '<a href="&quot;&#x27;&lt;&gt;&amp;"></a>'


def test_a_labels_name_is_never_a_class(document: str) -> None:
    classes = {name for e in parsed(document).iter() for name in (e.get("class") or "").split()}
    assert not [name for name in classes if not name.isalnum()]


def test_an_ordinary_report_is_clean_html_too(tmp_path: Path) -> None:
    parsed(html(read_session(write(tmp_path / "s", lively()))))
    parsed(html(read_session(write(tmp_path / "t", lively()[:1]))))
