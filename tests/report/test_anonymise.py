"""Names and numbers leave the words, by the rule that livemerc/report/anonymise.py documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.sessions import write_session
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from report import scenes

from livemerc.events import SessionEnd, UtteranceFinal
from livemerc.report import html
from livemerc.report.anonymise import RULE, Anonymiser
from livemerc.sessions.bookmarks import append_bookmark, bookmark_now
from livemerc.sessions.session import read_session

# Letters that stand in no word of the report itself, so that a name is not found by chance.
LETTERS = "ꙁꙃꙅꙉꙋ" + "ԚԜԪԬԮ"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello Ann, this is Peter.", "Hello Speaker 1, this is [name]."),
        ("ann's brother asked ANN LEE.", "Speaker 1's brother asked Speaker 1."),
        ("I'm sure that I said so, and I'll say it.", "I'm sure that I said so, and I'll say it."),
        ("We met Dr. Smith and Mary Jane Watson there.", "We met Dr. [name] and [name] there."),
        ("Absolutely! Nobody knows. Well…", "Absolutely! Nobody knows. Well…".replace("…", "...")),
        ("Call +49 (30) 1234-567 or 555 1234.", "Call [number] or [number]."),
        ("at 12:30 on 3.4.2026, room 12b", "at [number] on [number], room [number]b"),
        ("it is five five two one", "it is [number]"),
        ("one of them", "one of them"),
        ("write to p.miller@acme.example.com, or www.acme.example/x?y=1.", "write to [e-mail], or [link]."),
        ("see https://x.example/ann?id=7 and javascript:alert(1)", "see [link] and [link]"),
        ("follow @annlee or acme.com", "follow [handle] or [link]"),
        ("٣٤٥ and ½ and ②", "[number] and [number]⁄[number] and [number]"),
        ("the annual plan of Anna", "the annual plan of [name]"),
        ("HELLO ANN", "HELLO Speaker 1"),
        ("ann5 and 5ann_lee", "Speaker 1[number] and [number]Speaker 1_Speaker 1"),
    ],
)
def test_the_rule(text: str, expected: str) -> None:
    assert Anonymiser(["Ann Lee", "Bob"]).text(text) == expected


def test_a_name_learnt_inside_a_sentence_is_taken_out_at_the_beginning_of_one_too() -> None:
    texts = ["I asked Peter about it.", "Peter said no.", "Will you come, Will?", "He will."]
    anonymiser = Anonymiser([], texts)
    assert anonymiser.text(texts[1]) == "[name] said no."
    assert anonymiser.text(texts[2]) == "Will you come, [name]?"  # also a word: kept where it begins


def test_speakers_keep_their_number_whatever_the_case_and_the_spaces() -> None:
    anonymiser = Anonymiser(["Ann Lee", "bob", "ANN  LEE", "Lee Bob"])
    assert [anonymiser.speaker(n) for n in ("ann lee", "Bob", "Ann Lee", "LEE BOB")] == [
        "Speaker 1", "Speaker 2", "Speaker 1", "Speaker 3",
    ]  # fmt: skip
    assert anonymiser.speaker("Carol") == "[name]"
    assert anonymiser.text("it was lee") == "it was [name]"  # of two speakers


def test_a_script_without_capitals_needs_no_boundary_after_a_name() -> None:
    assert Anonymiser(["山田"]).text("山田さん") == "Speaker 1さん"


def test_a_joiner_inside_a_name_hides_it_not() -> None:
    assert Anonymiser(["Anna"]).text("An\u200dna and Ａｎｎａ") == "Speaker 1 and Speaker 1"


@pytest.mark.parametrize("said", ["o'brien", "O’Brien", "OʼBRIEN"])
@pytest.mark.parametrize("name", ["O'Brien", "O’Brien"])
def test_an_apostrophe_or_a_hyphen_of_another_kind_hides_no_name(name: str, said: str) -> None:
    rule = Anonymiser([name, "Anne-Marie"])
    assert rule.text(f"so {said} left") == "so Speaker 1 left"
    assert rule.text("so anne‑marie left, anne‐marie") == "so Speaker 2 left, Speaker 2"
    assert rule.speaker(said) == "Speaker 1"


def test_one_letter_is_no_name_in_words() -> None:
    anonymiser = Anonymiser(["A", "B"])
    assert anonymiser.text("a plan B") == "a plan [name]"
    assert anonymiser.speaker("A") == "Speaker 1"


def test_what_was_replaced_is_counted() -> None:
    anonymiser = Anonymiser(["Ann"], ["Ann met Bob at 5"])
    assert anonymiser.replaced == {}
    anonymiser.text("Ann met Bob at 5")
    assert sum(anonymiser.replaced.values()) == 3


@settings(deadline=None, max_examples=200)
@given(text=st.text(), names=st.lists(st.text(), max_size=4))
def test_any_text_is_taken_and_no_digit_nor_address_is_left(text: str, names: list[str]) -> None:
    anonymiser = Anonymiser(names, [text])
    result = re.sub(r"Speaker \d+", "", anonymiser.text(text))
    assert not re.search(r"\d", result)
    assert not re.search(r"\w@\w", result)
    assert anonymiser.text(text) == anonymiser.text(text)


NAME = st.lists(st.text(LETTERS, min_size=3, max_size=8), min_size=1, max_size=2).map(" ".join)
SECRET = st.integers(10**9, 10**14).map(str)


@settings(deadline=None, max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data(), names=st.lists(NAME, min_size=1, max_size=4, unique_by=str.casefold), secret=SECRET)
def test_no_speaker_no_number_and_no_address_survives_anywhere_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, names: list[str], secret: str
) -> None:
    where = st.sampled_from(["{} said it", "so {}", "I know {}'s plan, {}!", "call {}", "{}-{}", "{}_{}7{}"])
    texts = [data.draw(where).replace("{}", data.draw(st.sampled_from([*names, secret]))) for _ in range(4)]
    address = f"{names[0].replace(' ', '.')}@mail{secret}.example"
    texts.append(f"write to {address} or https://{secret}.example/{names[0].split()[0]}")
    events = [scenes.start(source=f"/home/{names[0]}/{secret}.wav", model=f"/home/{names[0]}/model")]
    for n, text in enumerate(texts):
        events.append(
            UtteranceFinal(
                utterance_id=f"u{n}", start_s=n * 3.0, end_s=n * 3.0 + 2, text=text, speaker=names[n % len(names)],
                asr=scenes.FinalAsr(engine="x"),
            )
        )  # fmt: skip
        events.append(scenes.estimate(f"u{n}", "frozen", 0, {"joy": 0.9, "anger": 0.1}))
        mic = scenes.MicState(ok=False, why=f"{names[0]}'s headset {secret} is gone")
        events.append(
            scenes.Status(t_s=n * 3.0 + 2.5, lag_s=0, queued={}, mic=mic, degraded=f"{names[-1]} {secret} is behind")
        )
    events.append(SessionEnd(duration_s=20, utterances=len(texts)))
    folder = tmp_path_factory.mktemp("anonymous") / f"{names[0]} {secret}"
    correction = scenes.Correction(utterance_id="u1", text=f"really, {names[-1]} {secret}", speaker=names[0])
    scenes.write(
        folder, events, (correction,), source=f"{names[0]} {secret}", consent=f"{names[0]} agreed, tel {secret}"
    )
    append_bookmark(folder, bookmark_now(2.0, f"{names[0]} {secret}"))
    with (folder / "events.jsonl").open("ab") as file:
        file.write(f"damaged {secret}\n".encode())
    document = html(read_session(folder), anonymise=True)
    shown = document.casefold()
    for name in names:
        for part in (name, *name.split()):
            assert part.casefold() not in shown
    assert secret not in document
    assert "@" not in re.sub(r"@(media|page|bottom-right)", "", document)
    assert "Speaker 1" in document


def test_the_report_says_that_the_rule_is_simple_and_what_it_took_out(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "Ann Lee 2026", scenes.lively())
    document = html(read_session(folder), anonymise=True)
    assert "Anonymised by a simple rule" in document
    assert "misses" in RULE
    assert "Read the report before you hand it on" in document
    assert "Ann" not in document
    assert "Bob" not in document
    assert "<title>Session report</title>" in document
    assert "Thursday" not in document
    words = [e.text for e in scenes.lively() if isinstance(e, UtteranceFinal)]
    assert f"{sum('Thursday' in text for text in words)} names" in document
    assert "Speaker 1" in document
