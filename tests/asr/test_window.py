"""A Whisper that looks at the utterance and a margin, and at its full window where that went wrong."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.paths import DEMO
from helpers.speech import noise, plain, utterance

from livemerc.asr import window
from livemerc.asr.engine import Transcript
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.asr.window import CLOSING_ODDS, closed, doubt, ends_twice, most_tokens, window_frames, without_loop
from livemerc.audio.read import read_samples
from livemerc.bench.asr import measure
from livemerc.bench.whisper import BUNDLED
from livemerc.config import SAMPLE_RATE_HZ, AsrConfig, ScreeningConfig, load_config
from livemerc.pipeline.recogniser import Recogniser
from livemerc.runtime.notices import Notice

SCREENING = ScreeningConfig()


def engine(folder: Path, **asr: Any) -> FasterWhisperEngine:
    return FasterWhisperEngine(folder, AsrConfig(language="en", **asr), device="cpu")


def test_a_window_holds_the_utterance_a_margin_and_no_less_than_the_floor() -> None:
    for seconds, expected in (
        (0.0, 800),
        (1.0, 800),
        (3.0, 800),
        (3.01, 900),
        (12.7, 1800),
        (24.5, None),
        (60.0, None),
    ):
        assert window_frames(round(seconds * 16_000), 3000) == expected
    assert all((window_frames(n, 3000) or 3000) >= 100 * n / 16_000 + 500 for n in range(0, 25 * 16_000, 777))


@pytest.mark.parametrize(
    ("text", "transcript", "reason"),
    [
        ("we missed the last train", {}, None),
        ("no no that is not what i said", {}, None),
        ("", {}, "nothing heard"),
        (" ... ", {}, "nothing heard"),
        ("we missed the last train", {"mean_log_probability": -0.75}, "low probability"),
        ("we missed the last train we missed the last train", {"mean_log_probability": -1.2}, "repetition"),
        ("we missed the last train", {"tokens": 36}, "too fast"),
        ("please increase the limit please increase the limit", {}, "repetition"),
        ("and then he went he went he went he went he went he went he went he went", {}, "repetition"),
        ("ask not what what what", {}, "repetition"),
    ],
)
def test_what_a_short_look_gave_is_doubted(text: str, transcript: dict[str, Any], reason: str | None) -> None:
    heard = Transcript(text, **({"mean_log_probability": -0.3, "tokens": 9} | transcript))
    assert doubt(heard, 3.0, SCREENING) == reason


def test_a_repeated_end_is_found_and_a_word_said_twice_is_none() -> None:
    assert ends_twice(["one", "two", "three", "one", "two", "three"])
    assert not ends_twice(["no", "no"])
    assert not ends_twice(["one", "two", "one", "two", "three"])
    assert not ends_twice([])


@pytest.mark.parametrize(
    ("text", "odds", "written"),
    [
        ("Hello", CLOSING_ODDS, "Hello."),
        ("Hello", CLOSING_ODDS - 0.01, "Hello"),
        ("in 1914", 1.0, "in 1914."),
        ("Hello.", 1.0, "Hello."),
        ("What?", 1.0, "What?"),
        ("and then...", 1.0, "and then..."),
        ("first,", 1.0, "first,"),
        ("", 1.0, ""),
    ],
)
def test_a_full_stop_that_was_nearly_written_is_written(text: str, odds: float, written: str) -> None:
    assert closed(text, odds) == written


def test_only_a_short_look_at_an_utterance_that_has_ended_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    one = engine(BUNDLED)
    heard = Transcript("Hello", tokens=1, mean_log_probability=-0.2)

    def decode(*_: Any) -> Transcript:
        one._whisper.closing_odds = 1.0
        return heard

    monkeypatch.setattr(one, "_decode", decode)
    said = utterance(noise(2.0))
    assert one.transcribe(said).text == "Hello."
    assert one.transcribe(replace(said, forced_cut=True)).text == "Hello", "the speech goes on in the next one"
    assert one.transcribe(utterance(noise(28.0))).text == "Hello", "the full window is believed"


def test_the_end_of_a_real_sentence_is_scored() -> None:
    samples = read_samples(DEMO, SAMPLE_RATE_HZ, 0.0, 4.2)
    one = engine(BUNDLED)
    text = one.transcribe(utterance(samples)).text
    assert plain(text) == "good morning i am making coffee in the kitchen"
    assert text.endswith("kitchen.")
    assert 0.0 < one._whisper.closing_odds < 0.01, "no second full stop"
    one = engine(BUNDLED, beam_size=2)
    assert one.transcribe(utterance(samples)).text.startswith("Good morning")
    assert one._whisper.closing_odds == 0.0, "a beam tells none"


def test_by_default_it_looks_at_the_utterance_and_a_margin(random_whisper: Path, encoded_frames: list[int]) -> None:
    engine(random_whisper).partial(noise(2.0))
    assert encoded_frames == [800]


def test_all_of_its_window_where_that_is_asked_for(random_whisper: Path, encoded_frames: list[int]) -> None:
    engine(random_whisper, window="full").transcribe(utterance(noise(2.0)))
    assert set(encoded_frames) == {3000}


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("Hello? Hello? Hello? Hello? Hello", "Hello?"),
        ("I said no way. No way. No way. No", "I said no way."),
        ("They look sneaky. They look sneaky. They look", "They look sneaky."),
        ("gave me the job gave me the job", "gave me the job"),
        ("no no", ""),
        ("we missed the last train", ""),
        ("", ""),
    ],
)
def test_a_loop_is_said_once(text: str, once: str) -> None:
    assert without_loop(text) == once


def test_a_look_that_goes_on_and_on_is_shown_once(random_whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = engine(random_whisper)
    for text, tokens, shown in (
        ("gave me the job gave me the job", 9, "gave me the job"),
        ("more than anyone says", 99, ""),
        ("gave me the job", 9, "gave me the job"),
    ):
        heard = Transcript(text, tokens=tokens, mean_log_probability=-0.2)
        monkeypatch.setattr(one, "_decode", lambda *_, heard=heard: heard)
        assert one.partial(noise(2.0)) == shown


def test_what_looks_wrong_is_looked_at_again_and_is_then_what_the_full_window_gives(
    random_whisper: Path, encoded_frames: list[int]
) -> None:
    said = utterance(noise(2.0))
    heard = engine(random_whisper, window="adaptive").transcribe(said)
    assert encoded_frames == [800, 3000]
    assert heard.second_pass == "nothing heard"
    full = engine(random_whisper, window="full").transcribe(said)
    assert heard == replace(full, second_pass=heard.second_pass)
    assert full.second_pass is None


def test_who_does_not_stop_is_stopped_after_as_many_tokens_as_anyone_speaks(
    random_whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, lengths = engine(random_whisper, window="adaptive"), list[int]()
    real = one._whisper.model.generate

    def generate(*arguments: Any, **options: Any) -> Any:
        result = real(*arguments, **options)
        lengths.append(len(result[0].sequences_ids[0]))
        return result

    class Listening:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

    model, one._whisper.model = one._whisper.model, Listening()
    one._whisper.model.generate = generate
    one.transcribe(utterance(noise(2.0)))
    most = most_tokens(2.0, SCREENING)
    assert most <= lengths[0] <= most + 1 < lengths[1], "random weights never stop by themselves"


def test_each_utterance_gets_its_own_window(
    random_whisper: Path, encoded_frames: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import livemerc.asr.faster_whisper_engine as room

    monkeypatch.setattr(room, "doubt", lambda *_: None)
    one = engine(random_whisper, window="adaptive")
    for seconds in (1.0, 6.5, 31.0, 1.5):
        one.transcribe(utterance(noise(seconds, seed=round(seconds * 2))))
    one.partial(noise(7.5))
    assert encoded_frames[:2] == [800, 1200]
    assert set(encoded_frames[2:-2]) == {3000}
    assert encoded_frames[-2:] == [800, 1300]


def test_second_looks_are_counted_and_told_when_there_are_many(random_whisper: Path) -> None:
    config = load_config(overrides={"asr.window": "adaptive", "asr.language": "en"}, environ={})
    told: dict[Notice, str | None] = {}
    recogniser = Recogniser(engine(random_whisper, window="adaptive"), config, tell=told.__setitem__)
    for i in range(8):
        assert told.get(Notice.ASR_WINDOW) is None
        recogniser.hear(utterance(noise(0.4, seed=i)), fast=False, give_up=lambda _: None)
    assert recogniser.second_passes == 8
    assert "--asr-window" in (told[Notice.ASR_WINDOW] or "")
    recogniser.close()


def test_the_whisper_that_ships_hears_sentences_in_short_windows(
    clips: list[tuple[np.ndarray, str]], encoded_frames: list[int]
) -> None:
    import jiwer

    said = [utterance(np.concatenate([noise(0.3, -66), samples, noise(0.4, -66, seed=1)])) for samples, _ in clips]
    error = {}
    for name in ("full", "adaptive"):
        one = engine(BUNDLED, window=name)
        heard = [one.transcribe(utterance) for utterance in said]
        error[name] = jiwer.wer([plain(text) for _, text in clips], [plain(transcript.text) for transcript in heard])
        print(name, error[name], [transcript.second_pass for transcript in heard])
    assert error["full"] <= 0.1
    assert error["adaptive"] <= 0.1
    assert sum(transcript.second_pass is not None for transcript in heard) <= 2
    assert min(encoded_frames) == window.FLOOR_S * 100


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["tiny.en", "base"])
def test_a_published_whisper_hears_the_demo_as_well_in_a_short_window(name: str) -> None:
    """Base is never fetched for a test: the variable WHISPER_BASE names a folder with it."""
    folder = BUNDLED if name == "tiny.en" else os.environ.get("WHISPER_BASE")
    if folder is None:
        pytest.skip("WHISPER_BASE names no folder with Whisper base")
    config = load_config(overrides={"asr.language": "en", "asr.compute_type": "int8"}, environ={})
    full, adaptive = measure([(DEMO, DEMO.with_suffix(".vtt"))], config, {name: Path(folder)})["rows"]
    for row in (full, adaptive):
        assert row["wer"] <= 0.02
        assert row["doubled"] == row["lost"] == 0
        assert row["closed"] == 1.0
    assert adaptive["labels_as_full"] == 1.0
    assert adaptive["second_passes"] <= 1
    assert adaptive["asr_s"] < full["asr_s"] / 2
