"""The page that listens: what it asks of others (nothing), and a real browser with a microphone that is a file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path

import jiwer
import pytest
from aiohttp import ClientSession
from helpers import chromium
from helpers.chromium import Chromium
from helpers.paths import DEMO, DEMO_WORDS
from helpers.served import RATE_HZ, blocks, pcm, served, serving
from helpers.wav_file import write as write_wav

import livemerc
from livemerc import client
from livemerc.asr.sidecar import read_cues
from livemerc.audio.read import read_samples
from livemerc.config import Config
from livemerc.emotions import EMOTIONS
from livemerc.events import EmotionEvent, Event, UtteranceFinal
from livemerc.notation import words


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [value for name in ("src", "href", "action", "data") if (value := given.get(name))]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name.startswith("on") or name == "style"]


async def test_the_page_asks_nothing_of_anybody_else(configured: Callable[..., Config]) -> None:
    async with served(configured(asr__engine="none")) as server, ClientSession() as session:
        base = f"http://127.0.0.1:{server.port}"
        async with session.get(base) as answer:
            page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
        links = Links()
        links.feed(page)
        assert not links.inline
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'")
        files = {*links.found, "/static/room.mjs", "/static/view.mjs", "/static/worklet.mjs"}
        for link in files:
            assert link.startswith("/static/")
            async with session.get(base + link) as answer:
                assert answer.status == 200
                text = await answer.text()
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), link
            assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text), link
        async with session.get(f"{base}/about") as answer:
            told = await answer.json()
        assert told["emotions"] == {
            e.name: {"colour": e.colour, "glyph": e.glyph, "valence": e.valence} for e in EMOTIONS.values()
        }
        assert "being listened to" in told["title"]
        assert "Nothing is being recorded now" in str(told["sections"])


def finals_of(events: list[Event]) -> list[tuple[UtteranceFinal, str]]:
    """Each utterance with the label that it kept."""
    labels = {e.utterance_id: e.label for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"}
    return [(e, labels[e.utterance_id]) for e in events if isinstance(e, UtteranceFinal)]


def word_error(finals: list[tuple[UtteranceFinal, str]]) -> float:
    wanted = " ".join(" ".join(words(cue.text)) for cue in read_cues(DEMO_WORDS))
    return float(jiwer.wer(wanted, " ".join(" ".join(words(final.text)) for final, _ in finals)))


@pytest.fixture
def browsers(tmp_path: Path) -> Iterator[Callable[..., Chromium]]:
    if chromium.find() is None:
        pytest.skip("no chromium on this machine (apt install chromium)")
    with ExitStack() as stack:
        yield lambda name, *flags: stack.enter_context(chromium.running(tmp_path / name, *flags))


def picture(browser: Chromium, name: str) -> None:
    if folder := os.environ.get("TESTS_PICTURES"):
        (Path(folder) / f"{name}.png").write_bytes(browser.picture(1600))


@pytest.mark.slow
def test_a_browsers_microphone_is_heard_as_the_file_is(browsers: Callable[..., Chromium], tmp_path: Path) -> None:
    rate_hz = 48_000
    demo = write_wav(tmp_path / "demo.wav", read_samples(DEMO, rate_hz), rate_hz)
    speaking = browsers(
        "speaking", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={demo}%noloop", "--autoplay-policy=no-user-gesture-required",
    )  # fmt: skip
    watching = browsers("watching")
    with serving() as address:
        speaking.view(390, 844, mobile=True)
        speaking.open(f"{address}?room=kitchen")
        speaking.until("This conversation is being listened to", "agrees")
        picture(speaking, "phone-notice")
        assert speaking.evaluate("document.getElementById('listen').disabled")
        speaking.evaluate("document.getElementById('consent').click()")
        assert not speaking.evaluate("document.getElementById('listen').disabled")
        watching.view(1280, 800)
        watching.open(f"{address}?room=kitchen&watch")
        speaking.evaluate("document.getElementById('listen').click()")
        speaking.until("listening", "Stop", "wonderful")
        watching.until("watching", "words against voice", "wonderful")
        speaking.until("afraid")
        overlay = browsers("overlay")
        overlay.view(800, 120)
        overlay.open(f"{address}?room=kitchen&overlay")
        cues = read_cues(DEMO_WORDS)
        last = max(cues[-1].text.split(), key=len).strip(".,!?")
        speaking.until("brother" if "brother" in cues[-1].text else last)
        watching.until(last)
        for name, browser in (("phone", speaking), ("desktop", watching), ("overlay", overlay)):
            picture(browser, name)
        assert overlay.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgba(0, 0, 0, 0)"
        speaking.evaluate("document.getElementById('listen').click()")
        speaking.until("the session has ended")
        watching.until("the session has ended")
        events = [event for _, event in client.watch(f"{address}rooms/kitchen")]
        for browser in (speaking, watching, overlay):
            seen = browser.seen
            assert not seen.errors
            assert not seen.console
            assert {request.split("/")[2] for request in seen.requests} == {address.split("/")[2]}
    heard, file = finals_of(events), finals_of(list(livemerc.monitor(DEMO)))
    assert word_error(heard) <= word_error(file) + 0.05
    began_s = heard[0][0].start_s - file[0][0].start_s
    alike = 0
    for final, label in file:
        nearest = min(heard, key=lambda one, at=final.start_s + began_s: abs(one[0].start_s - at))
        alike += nearest[1] == label
    print(f"{alike} of {len(file)} labels, word error {word_error(heard):.3f} (file {word_error(file):.3f})")
    assert alike >= 17


@pytest.mark.slow
def test_a_browser_comes_back_after_a_cut(browsers: Callable[..., Chromium], configured: Callable[..., Config]) -> None:
    """Offline for a while, as a phone in a lift is."""
    page = browsers("page", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with serving("--asr", "none") as address:
        page.open(f"{address}?room=lift")
        page.evaluate("document.getElementById('consent').click()")
        page.evaluate("document.getElementById('listen').click()")
        page.until("listening")
        with client.watch(f"{address}rooms/lift") as watched:
            next(watched)
        page.evaluate(
            "(() => { const send = WebSocket.prototype.send; let cut = false;"
            "WebSocket.prototype.send = function (data) { if (cut || !(data instanceof Int16Array))"
            "return send.call(this, data); cut = true; this.close(4000); }; })()"
        )
        for _ in range(400):
            if sum("/audio?" in request for request in page.seen.requests) == 2:
                break
            page.evaluate("new Promise(done => setTimeout(done, 50))")
        page.until("listening")
        page.evaluate("new Promise(done => setTimeout(done, 1500))")
        page.evaluate("document.getElementById('listen').click()")
        page.until("the session has ended")
        (end,) = [event for _, event in client.watch(f"{address}rooms/lift")][-1:]
    assert end.dropped_s == 0.0


@pytest.mark.slow
def test_hostile_words_are_words_on_the_page(browsers: Callable[..., Chromium]) -> None:
    page = browsers("page")
    said = "<img src=x onerror=alert(1)> <script>alert(2)</script>"
    with serving("--asr", "none") as address:
        page.open(f"{address}?room=a&watch")
        url = room_of(address, "a")
        with client.speak(url, blocks(pcm(6.0)), RATE_HZ, speaker=said[:60], pace="file") as spoken:
            list(spoken)
        page.until("<img src=x onerror=alert(1)>")
        assert page.evaluate("document.querySelectorAll('#transcript img, #transcript script').length") == 0
        assert not page.seen.dialogs


def room_of(address: str, name: str) -> str:
    return f"{address}rooms/{name}"
