"""Text that is not in a language of the text branch is shown with its reason and never judged; the voice goes on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from helpers.networks import write_checkpoint
from helpers.processor import processor_with
from helpers.speech import noise, utterance

from livemerc.asr.engine import Transcript
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.asr.screening import screen
from livemerc.config import AsrConfig, Config, ScreeningConfig, load_config
from livemerc.events import EmotionEvent, UtteranceFinal
from livemerc.model.checkpoint import BUNDLED, MANIFEST, read_manifest


def reason(languages=("en",), spoken=None, given=False, text="ich weiß es nicht", **figures) -> str | None:
    transcript = Transcript(text=text, **figures)
    screened = screen(
        transcript, utterance(noise(3.0, -22)), ScreeningConfig(), words_are_given=given, languages=languages,
        spoken=spoken,
    )  # fmt: skip
    assert screened.text == text
    return screened.gated


def test_another_language_is_gated_when_whisper_is_sure() -> None:
    assert reason(language="de", language_probability=0.97) == "language de"
    assert reason(language="de", language_probability=0.5) == "language de"
    assert reason(language="de", language_probability=0.49) is None
    assert reason(language="en", language_probability=0.97) is None
    assert reason() is None  # an engine that says nothing of languages


def test_the_probability_of_the_own_languages_decides_whatever_is_likeliest() -> None:
    """Danish and Urdu were taken for one of several languages, and English of a word or two for Welsh."""
    danish = {"da": 0.41, "no": 0.3, "sv": 0.17, "en": 0.12}
    assert reason(language="da", language_probability=0.41, language_probabilities=danish) == "language da"
    welsh = {"cy": 0.54, "en": 0.46}
    assert reason(language="cy", language_probability=0.54, language_probabilities=welsh) is None
    both = {"de": 0.1, "en": 0.15, "pl": 0.75}
    assert reason(language="pl", language_probabilities=both) == "language pl"
    assert reason(language="pl", language_probabilities=both, languages=("de", "en")) is None
    assert reason(language="pl", language_probabilities=both, spoken="en") is None


@pytest.mark.parametrize(
    ("text", "script"),
    [("میں ٹھیک ہوں", "arabic"), ("я не знаю", "cyrillic"), ("私は元気です", "cjk"), ("मैं ठीक हूँ", "devanagari")],
)
def test_a_script_that_the_text_branch_never_saw_is_foreign_whatever_the_figures(text: str, script: str) -> None:
    found = reason(text=text, language="en", language_probability=1.0, language_probabilities={"en": 1.0})
    assert found in {f"script {script}", "script hiragana"}
    assert reason(text=text, language="ur", language_probabilities={"en": 0.9, "ur": 0.1}) == "language ur"
    assert reason(text=text, languages=("ru", "en"), language="en", language_probabilities={"en": 1.0}) is None
    assert (
        reason(text=f"{text[:2]} naïve café, señor Müller", language="en", language_probabilities={"en": 1.0}) is None
    )


def test_a_cry_is_not_a_word_of_another_language() -> None:
    cry = {"confidence": 0.4, "no_speech_probability": 0.2, "mean_log_probability": -0.92}
    assert reason(text="아", language="ko", language_probabilities={"ko": 0.8, "en": 0.05}, **cry) == "no speech"
    sure = cry | {"confidence": 0.8, "no_speech_probability": 0.1, "mean_log_probability": -0.22}
    assert reason(text="Nein.", language="de", language_probabilities={"de": 0.9, "en": 0.1}, **sure) == "language de"


def test_a_declared_language_is_certain_and_outranks_the_recogniser() -> None:
    assert reason(spoken="de") == "language de"
    assert reason(spoken="de", language="en", language_probability=1.0) == "language de"
    assert reason(spoken="en", language="de", language_probability=0.9) is None
    assert reason(spoken="en-GB") is None
    assert reason(spoken="de", given=True) == "language de"


def test_the_checkpoint_says_which_languages_its_text_branch_knows() -> None:
    assert reason(languages=("en", "de"), language="de", language_probability=0.97) is None
    assert reason(languages=("de-DE",), language="de", language_probability=0.97) is None
    assert reason(languages=("de",), language="en", language_probability=0.97) == "language en"
    assert reason(languages=None, language="de", language_probability=0.97) is None


def test_empty_text_is_empty_in_every_language() -> None:
    assert reason(language="de", language_probability=0.97, text="") == "empty"


def test_a_manifest_without_the_key_means_english(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "checkpoint")
    where = folder / MANIFEST
    raw = msgspec.json.decode(where.read_bytes())
    raw.pop("text_languages", None)
    where.write_bytes(msgspec.json.encode(raw))
    assert read_manifest(folder).text_languages == ("en",)
    where.write_bytes(msgspec.json.encode(raw | {"text_languages": ["de", "en"]}))
    assert read_manifest(folder).text_languages == ("de", "en")
    if (BUNDLED / MANIFEST).is_file():
        assert read_manifest().text_languages == ("en",)


def judged(model: Path, checkpoint: Path, **overrides: str) -> tuple[UtteranceFinal, EmotionEvent]:
    """The final and the first estimate of two seconds that the real faster-whisper hears."""
    settings: dict[str, object] = {"model.checkpoint": str(checkpoint), "model.device": "cpu"}
    config: Config = load_config(overrides=settings | overrides, environ={})
    engine = FasterWhisperEngine(model, config.asr, device="cpu")
    processor = processor_with(engine, config)
    events = list(processor.handle(utterance(noise(2.0, -22))))
    final = next(event for event in events if isinstance(event, UtteranceFinal))
    return final, next(event for event in events if isinstance(event, EmotionEvent))


def test_what_whisper_hears_as_german_is_shown_and_only_the_voice_is_judged(
    german_whisper: Path, checkpoint: Path
) -> None:
    final, estimate = judged(german_whisper, checkpoint)
    assert final.text
    assert final.asr.gated == "language de"
    assert estimate.modality.text is None
    assert estimate.modality.speech is not None


def test_whisper_says_how_sure_it_is(german_whisper: Path, undecided_whisper: Path) -> None:
    sure = FasterWhisperEngine(german_whisper, AsrConfig(), device="cpu").transcribe(utterance(noise(2.0)))
    assert (sure.language, sure.language_probability) == ("de", pytest.approx(1.0, abs=0.01))
    unsure = FasterWhisperEngine(undecided_whisper, AsrConfig(), device="cpu").transcribe(utterance(noise(2.0)))
    assert unsure.language == "de"
    assert unsure.language_probability == pytest.approx(0.36, abs=0.02)


def test_a_guess_is_not_gated_for_its_language(undecided_whisper: Path, checkpoint: Path) -> None:
    final, _ = judged(undecided_whisper, checkpoint)
    assert final.asr.gated != "language de"


def test_a_language_that_is_given_decides(german_whisper: Path, undecided_whisper: Path, checkpoint: Path) -> None:
    assert judged(german_whisper, checkpoint, **{"asr.language": "en"})[0].asr.gated != "language de"
    final, estimate = judged(undecided_whisper, checkpoint, **{"asr.language": "pl"})
    assert final.asr.gated == "language pl"
    assert estimate.modality.text is None
