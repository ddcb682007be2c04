"""`livemerc notice`: what people who will be listened to are shown, by what would be done with their voices."""

from __future__ import annotations

import html
from pathlib import Path

import html5lib
import pytest
from helpers.command_line import environment, livemerc, sentence
from helpers.voiceprints import voiceprint

from livemerc.purpose import PURPOSES, WORDS_ALONE
from livemerc.speakers.voiceprints import Voiceprints


def told(*arguments: str | Path, **variables: str) -> str:
    done = livemerc("notice", *arguments, env=environment(None, **variables))
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.decode().split())


@pytest.mark.parametrize("purpose", PURPOSES)
def test_it_says_in_one_sentence_what_happens_to_the_voice(purpose: str) -> None:
    words = told("--purpose", purpose)
    assert ("it infers nothing from how you sound" in words) == (purpose in WORDS_ALONE)
    assert ("from how your voice sounds" in words) == (purpose not in WORDS_ALONE)
    for certain in ("contested", "no legal advice", "not what you feel", "no diagnosis", "whoever agrees to it"):
        assert certain in words
    assert "consent" not in words.lower(), "it asks for nobody's consent"


def test_it_goes_by_the_settings_that_a_session_would_have() -> None:
    assert "infers nothing from how you sound" in told(LIVEMERC_PURPOSE="education")
    assert "infers nothing from how you sound" in told("--text-only")
    assert "only on the microphone or channel called “me” or “ann”" in told("--judge-voice-of", "me,ann")


def test_it_tells_of_the_comparison_with_enrolled_voices_where_there_are_any(tmp_path: Path) -> None:
    home = environment(tmp_path)
    for enrolled in (False, True):
        if enrolled:
            Voiceprints(Path(home["XDG_DATA_HOME"]) / "livemerc" / "voiceprints").add(voiceprint("Ann"))
        for flags, compared in (((), False), (("--diarize",), enrolled)):
            done = livemerc("notice", *flags, env=home)
            assert done.returncode == 0, done.stderr
            assert (b"agreed to be known" in done.stdout) == compared


def test_the_page_holds_what_the_text_does_and_nothing_that_is_fetched_or_run(tmp_path: Path) -> None:
    done = livemerc("notice", "--purpose", "work", "-o", tmp_path / "notice.html")
    assert (done.returncode, done.stdout) == (0, b"")
    page = (tmp_path / "notice.html").read_text("utf-8")
    root = html5lib.HTMLParser(namespaceHTMLElements=False, strict=True).parse(page)
    shown = " ".join("".join(root.find("body").itertext()).split())
    assert "it infers nothing from how you sound" in shown
    assert "what it is used for: work" in shown
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in html.unescape(page)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--purpose", "work", "--judge-voice-of", "me"], "would judge a voice"),
        (["--text-only", "--judge-voice-of", "me"], "exclude each other"),
        (["-o", "/"], "a folder"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: list[str], words: str) -> None:
    done = livemerc("notice", *arguments)
    assert done.returncode == 2
    assert words in sentence(done)
