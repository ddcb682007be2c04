"""Text that nobody said is gated with a plain reason; what people do say passes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from helpers.speech import noise, utterance
from hypothesis import given
from hypothesis import strategies as st

from livemerc.asr.engine import NoAsr, Transcript
from livemerc.asr.screening import Talk, are_sounds, is_closing_phrase, screen, voiced_level
from livemerc.audio.items import Utterance
from livemerc.config import ScreeningConfig

CONFIG = ScreeningConfig()
REASONS = {"empty", "silence", "no speech", "low probability", "too fast", "repetition", "closing phrase"}
GOOD = {"no_speech_probability": 0.02, "mean_log_probability": -0.25}


def reason(text: str, seconds: float = 3.0, level_dbfs: float = -22.0, **figures) -> str | None:
    return screen(Transcript(text=text, **figures), utterance(noise(seconds, level_dbfs)), CONFIG).gated


@pytest.mark.parametrize(
    "text",
    [
        "yeah yeah",
        "no no no",
        "No, no, no, no, no!",
        "thank you",
        "Thank you, thank you, thank you!",
        "oh my god oh my god oh my god",
        "ha ha ha ha ha ha",
        "bye bye",
        "mm-hmm",
        "okay",
        "I said thank you for watching the kids.",
        "I would never subscribe to that newspaper, see you tomorrow.",
        "ich weiß nicht",
        "こんにちは",
    ],
)
@pytest.mark.parametrize("figures", [{}, GOOD], ids=["without figures", "with Whisper's figures"])
def test_what_people_say_passes(text, figures):
    assert reason(text, 3.0, **figures) is None


def test_short_backchannels_pass():
    assert reason("yeah yeah", 0.3) is None
    assert reason("thank you", 0.4, **GOOD) is None
    assert reason("oh my god", 0.3, tokens=4) is None


@pytest.mark.parametrize("text", ["", "   ", "...", "[Music]", "(applause)", "♪♪", "*sighs*"])
def test_no_words_is_empty(text):
    assert reason(text) == "empty"


def test_text_on_silence_is_invented():
    assert reason("hello there", level_dbfs=-75) == "silence"
    assert reason("hello there", level_dbfs=-45) is None


def test_the_level_is_that_of_the_voiced_stretch_alone():
    samples = np.concatenate([noise(1.0, -10), noise(1.0, -80), noise(1.0, -10)])
    spoken = utterance(samples, start_s=50.0, margin_s=1.0)
    seconds, level_dbfs = voiced_level(spoken)
    assert seconds == pytest.approx(1.0)
    assert level_dbfs == pytest.approx(-80, abs=0.5)
    assert screen(Transcript(text="hello"), spoken, CONFIG).gated == "silence"


def test_whispers_own_rule_needs_both_figures():
    assert reason("hello there, how are you", no_speech_probability=0.9, mean_log_probability=-1.2) == "no speech"
    assert reason("hello there, how are you", no_speech_probability=0.9, mean_log_probability=-0.3) is None
    multilingual = {"language": "en", "language_probabilities": {"en": 1.0}}
    assert (
        reason("hello there, how are you", no_speech_probability=0.1, mean_log_probability=-1.2, **multilingual) is None
    )


def test_hopeless_probability_is_gated_whatever_the_rest():
    assert reason("hello there", no_speech_probability=0.0, mean_log_probability=-2.5) == "low probability"


def test_more_tokens_than_anyone_speaks():
    assert reason("some words", 2.0, tokens=60, **GOOD) == "too fast"
    assert reason("some words", 2.0, tokens=20, **GOOD) is None
    assert (
        reason("the quick brown fox jumps over a lazy dog while seven grey cats watch from our wall", 1.0) == "too fast"
    )


@pytest.mark.parametrize(
    "text",
    [
        "thank you thank you thank you thank you",
        "and then I went to the " + "store and " * 9,
        "I don't know. " * 6,
        "no " * 30,
        "the the the the the the the the the the the the",
        "la la la la la la la la la la " * 10,
    ],
)
def test_loops_are_repetition(text):
    assert reason(text, 12.0) == "repetition"


def test_compressible_text_is_repetition_even_without_an_exact_loop():
    text = " ".join(f"we have to go to the next level of the game {i % 3}" for i in range(16))
    assert reason(text, 60.0) == "repetition"


@pytest.mark.parametrize(
    "text",
    [
        "Thanks for watching!",
        "Thank you for watching.",
        "Please subscribe.",
        "Like and subscribe!",
        "Thank you for watching and see you in the next video.",
        "Subtitles by the Amara.org community",
    ],
)
def test_video_phrases_need_support(text):
    assert reason(text, 3.0, -50.0) == "closing phrase"
    expected = "no speech" if len(text.split()) <= 3 else "closing phrase"
    assert reason(text, 0.8, no_speech_probability=0.1, mean_log_probability=-0.3) == expected
    assert reason(text, 0.8, **GOOD) == "closing phrase"
    assert reason(text, 3.0, no_speech_probability=0.5, mean_log_probability=-0.5) == expected
    assert reason(text, 3.0, -20.0, **GOOD) is None


def test_a_mere_thank_you_is_gated_only_without_support():
    assert reason("Thank you.", 0.5, -52.0) == "closing phrase"
    assert reason("Thank you.", 0.5, no_speech_probability=0.55, mean_log_probability=-0.9) == "no speech"
    assert reason("Thank you.", 0.5, -25.0, **GOOD) is None


@pytest.mark.parametrize(
    "text", ["Okay, bye.", "Thank you. Bye.", "Thanks. See you later. Bye!", "Good night. Goodbye."]
)
def test_closing_phrases_are_matched_phrase_by_phrase(text):
    assert reason(text, 0.5, -52.0) == "closing phrase"
    assert reason(text, 1.5, -25.0, confidence=0.8, **GOOD) is None
    assert reason(text + " I said.", 0.8, -52.0) is None


@pytest.mark.parametrize(
    "text", ["Oh!", "Ah, ah, ah!", "Ha ha ha", "Hmm.", "Whoa!", "Woohoo!", "Mm-hmm.", "Aaaaah", "Ugh"]
)
def test_a_cry_that_is_written_down_is_no_speech(text):
    assert reason(text, 0.6, tokens=3, no_speech_probability=0.4, mean_log_probability=-0.9) == "no speech"
    assert reason(text, 0.6, tokens=3, no_speech_probability=0.1, mean_log_probability=-0.9) == "no speech"
    assert reason(text, 0.6, tokens=3, no_speech_probability=0.05, mean_log_probability=-0.2) is None


@pytest.mark.parametrize("text", ["Okay.", "Yes. Yes.", "What?", "Chapter 27"])
def test_a_few_words_need_more_support_than_a_sentence(text):
    figures = {"tokens": 2, "no_speech_probability": 0.2, "mean_log_probability": -0.9}
    assert reason(text, 0.6, **figures) == "no speech"
    assert reason("Chapter 27 is about a farm.", 1.6, **figures | {"tokens": 8}) is None
    assert reason(text, 0.6, **GOOD) is None


@pytest.mark.parametrize(
    ("text", "expected"), [("[Music]", "empty"), ("", "empty"), ("Thank you for watching.", "closing phrase")]
)
def test_whatever_is_wrong_with_the_text_it_is_no_speech_where_the_figures_say_so(text, expected):
    figures = {"tokens": 4, "mean_log_probability": -0.8, "language_probabilities": {"en": 1.0}}
    assert reason(text, 0.6, no_speech_probability=0.28, **figures) == expected
    assert reason(text, 0.6, no_speech_probability=0.9, **figures) == "no speech"


def test_what_is_long_may_be_another_language_and_its_voice_is_judged():
    figures = {"mean_log_probability": -1.4, "no_speech_probability": 0.4}
    text = "I'm going to go to the hospital for a while."
    assert reason(text, 3.0, **figures) == "low probability"
    assert reason(text, 1.0, **figures) == "no speech"


def test_an_english_only_whisper_must_be_the_surer_the_longer_somebody_spoke():
    text = "We are today's Barcelona, you know."
    spoken = utterance(noise(3.0, -22))
    doubtful = Transcript(text, mean_log_probability=-0.85, no_speech_probability=0.1)
    assert screen(doubtful, spoken, CONFIG).gated == "low probability"
    assert screen(doubtful, utterance(noise(1.0, -22)), CONFIG).gated is None
    assert screen(doubtful, spoken, CONFIG, spoken="en", languages=("en",)).gated is None  # somebody has said so
    multilingual = dataclasses.replace(doubtful, language="en", language_probabilities={"en": 0.9, "pl": 0.1})
    assert screen(multilingual, spoken, CONFIG, languages=("en",)).gated is None


@pytest.mark.parametrize("text", ["I think that we should go home now.", "Thank you.", "Goodbye."])
def test_level_alone_gates_nothing_that_the_recogniser_is_sure_of(text):
    sure = {"confidence": 0.8, "no_speech_probability": 0.1, "mean_log_probability": -0.22}
    assert {reason(text, 3.0, level, **sure) for level in (-20, -45, -67, -80)} == {None}
    unsure = sure | {"confidence": 0.5, "mean_log_probability": -0.69}
    assert reason(text, 3.0, -67, **unsure) == "silence"
    assert reason(text, 3.0, -100, **sure) == "silence"  # less than a step of 16-bit audio: nothing was recorded


probability = st.floats(0.01, 0.99)


@given(
    text=st.sampled_from(["Oh!", "Okay.", "Thank you. Bye.", "Chapter 27", "I think that we should go home now."]),
    confidences=st.tuples(probability, probability),
    no_speeches=st.tuples(probability, probability),
)
def test_what_is_better_supported_is_never_gated_where_less_was_enough(text, confidences, no_speeches):
    """And never called no speech where it was not."""
    spoken = utterance(noise(1.2))

    def screened(confidence: float, no_speech: float) -> str | None:
        transcript = Transcript(
            text, confidence=confidence, mean_log_probability=math.log(confidence), no_speech_probability=no_speech
        )
        return screen(transcript, spoken, CONFIG).gated

    worse = screened(min(confidences), max(no_speeches))
    better = screened(max(confidences), min(no_speeches))
    if worse is None:
        assert better is None
    if better == "no speech":
        assert worse == "no speech"


def test_given_words_are_judged_for_emptiness_only():
    spoken = utterance(noise(1.0, -80))
    assert screen(Transcript(text="thank you " * 9), spoken, CONFIG, words_are_given=True).gated is None
    assert screen(Transcript(text=""), spoken, CONFIG, words_are_given=True).gated == "empty"


def test_text_is_kept_and_an_earlier_reason_stays():
    transcript = Transcript(text="thank you " * 9, confidence=0.5)
    screened = screen(transcript, utterance(noise(9.0)), CONFIG)
    assert screened == dataclasses.replace(transcript, gated="repetition")
    assert screen(screened, utterance(noise(9.0)), CONFIG) is screened
    spoken = utterance(noise(1.0))
    assert screen(NoAsr().transcribe(spoken), spoken, CONFIG).gated == "no recogniser"


figures = st.one_of(st.none(), st.floats())


@given(
    text=st.one_of(
        st.text(max_size=300),
        st.lists(
            st.sampled_from(["thank", "you", "for", "watching", "and", "so", "bye", "subscribe"]), max_size=60
        ).map(" ".join),
    ),
    no_speech=figures,
    log_probability=figures,
    tokens=st.one_of(st.none(), st.integers(0, 10_000)),
    count=st.integers(0, 4000),
    value=st.floats(width=32),
    margin_s=st.floats(0, 1),
)
def test_no_input_crashes_and_only_known_reasons_come_out(
    text, no_speech, log_probability, tokens, count, value, margin_s
):
    transcript = Transcript(
        text=text, no_speech_probability=no_speech, mean_log_probability=log_probability, tokens=tokens
    )
    with np.errstate(all="ignore"):
        screened = screen(transcript, utterance(np.full(count, value), margin_s=margin_s), CONFIG)
    assert screened.text == text
    assert screened.gated is None or screened.gated in REASONS


def test_what_can_be_read_in_many_ways_is_judged_and_only_as_long_as_a_phrase_is():
    """Each way is tried where none fits, and there are exponentially many: longer texts are not looked at."""
    goodbyes = "thank you for watching" + " bye" * 19
    assert is_closing_phrase(goodbyes.split(), weak=True, short=True)
    assert not is_closing_phrase(f"{goodbyes} x".split(), weak=True, short=True)
    for long in (goodbyes + " bye" * 2, goodbyes + " bye" * 2000, goodbyes + " bye" * 2000 + " x"):
        assert not is_closing_phrase(long.split(), weak=True, short=True)
        assert reason(long, 0.5) == "repetition"


@pytest.mark.parametrize("word", ["haa" * 2000, "woh" * 2000, "mhm" * 2000, "aah" * 2000])
def test_no_word_takes_long_to_look_at(word):
    assert not are_sounds([word + "x"])


def test_long_hostile_text_is_repetition():
    assert reason("and so " * 2000 + "x", 0.5) == "repetition"
    assert reason("thank you for watching " * 500 + "x", 0.5) == "repetition"
    assert reason("thank you for watching" + " and so you" * 7 + " x", 0.5) == "repetition"


def at(number: int, start_s: float, seconds: float = 0.6) -> Utterance:
    return dataclasses.replace(utterance(noise(seconds), start_s), utterance_id=f"u{number}")


def test_a_word_alone_is_believed_sooner_right_after_a_sentence():
    sentence = Transcript("I think that we should go home now.", confidence=0.8)
    word = Transcript("Right.", confidence=0.38, mean_log_probability=-0.97, no_speech_probability=0.6, tokens=2)
    talk = Talk()
    assert not talk.near(at(1, 0.0))
    talk.heard(at(1, 0.0, 2.0), sentence, CONFIG)
    assert talk.near(at(2, 25.0))
    assert not talk.near(at(2, 60.0))
    assert not talk.near(at(1, 0.0, 3.0))  # its own words are no support: it may be heard twice
    assert screen(word, at(2, 5.0), CONFIG).gated == "no speech"
    assert screen(word, at(2, 5.0), CONFIG, amid_talk=True).gated is None
    talk.heard(at(1, 0.0, 3.0), dataclasses.replace(sentence, gated="repetition"), CONFIG)
    assert not talk.near(at(2, 5.0))


def test_neither_a_cry_nor_a_doubtful_sentence_is_talk():
    talk = Talk()
    talk.heard(at(1, 0.0), Transcript("Go off!", confidence=0.72), CONFIG)
    talk.heard(at(2, 1.0), Transcript("I think that we should go home now.", confidence=0.5), CONFIG)
    talk.heard(at(3, 2.0), Transcript("I think that we should go home now."), CONFIG)
    assert not talk.near(at(4, 3.0))
