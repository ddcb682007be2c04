"""`livemerc.monitor(...)` and `livemerc.load().predict(...)`: what a Python user gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import wav_file as wav
from helpers.networks import CONVERSATION_CONFIG, write_checkpoint
from helpers.synthetic import RATE_HZ, buzz, hush

import livemerc
from livemerc.api import Predictor, Turn
from livemerc.config import DialogueConfig, load_config
from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, InputError, ModelError
from livemerc.events import EmotionEvent, SessionEnd, SessionStart, UtteranceFinal
from livemerc.model.checkpoint import BUNDLED, MANIFEST, Abstention
from livemerc.model.encoders import load_model
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue

AUDIO = buzz(1.5)
EARLIER = [Turn(buzz(1.0, seed=1), "w1 sad"), Turn(None, "w2 w3"), Turn(buzz(0.8, seed=2), None), Turn(None, None)]


@pytest.fixture(scope="module")
def predictor(checkpoint: Path) -> Predictor:
    return livemerc.load(checkpoint)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stretches of voice in a quiet room."""
    path = tmp_path_factory.mktemp("recording") / "call.wav"
    samples = np.concatenate([hush(0.5), buzz(1.5), hush(1.5), buzz(1.2, seed=3), hush(1.0)])
    return wav.write(path, samples, RATE_HZ)


def needs_bundled() -> None:
    if not (BUNDLED / MANIFEST).is_file():
        pytest.skip("no bundled checkpoint in this tree (livemerc/weights)")


def probabilities(estimate: EmotionEvent) -> np.ndarray:
    return np.array(list(estimate.probabilities.values()))


# --- monitor


def test_a_session_of_a_file_starts_judges_each_utterance_and_ends(recording: Path, checkpoint: Path) -> None:
    events = list(livemerc.monitor(recording, asr__engine="none", model__checkpoint=str(checkpoint)))
    assert isinstance(events[0], SessionStart)
    assert isinstance(events[-1], SessionEnd)
    assert events[0].asr.engine == "none"
    assert events[0].checkpoint.id == "random"
    finals = [e.utterance_id for e in events if isinstance(e, UtteranceFinal)]
    assert finals == ["u1", "u2"]
    assert events[-1].utterances == 2
    assert events[-1].duration_s == pytest.approx(5.7, abs=0.05)
    for utterance_id in finals:
        statuses = [e.status for e in events if isinstance(e, EmotionEvent) and e.utterance_id == utterance_id]
        assert statuses[0] == "provisional"
        assert statuses[-1] == "frozen"
        assert statuses.count("frozen") == 1


def test_the_path_may_be_a_string_and_the_settings_a_config(recording: Path, checkpoint: Path) -> None:
    config = load_config(overrides={"asr.engine": "none", "model.checkpoint": str(checkpoint)}, environ={})
    kinds = [type(e) for e in livemerc.monitor(str(recording), config=config)]
    assert kinds[0] is SessionStart
    assert kinds[-1] is SessionEnd
    with pytest.raises(ValueError, match="not both"):
        livemerc.monitor(recording, config=config, asr__engine="none")


def test_leaving_a_session_early_is_allowed(recording: Path, checkpoint: Path) -> None:
    events = livemerc.monitor(recording, asr__engine="none", model__checkpoint=str(checkpoint))
    assert isinstance(next(events), SessionStart)
    events.close()
    assert list(events) == []


def test_mistakes_are_told_by_the_class_of_error(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list(livemerc.monitor(tmp_path / "absent.wav"))
    with pytest.raises(ConfigError, match="asr"):
        livemerc.monitor(recording, asr__engin="none")
    with pytest.raises(ModelError, match="does not exist"):
        livemerc.load(tmp_path / "absent")


# --- predict


def test_an_estimate_is_a_distribution_over_the_labels(predictor: Predictor) -> None:
    assert predictor.labels == LABELS
    estimate = predictor.predict(AUDIO, "hello w5")
    assert tuple(estimate.probabilities) == LABELS
    assert sum(estimate.probabilities.values()) == pytest.approx(1.0)
    assert estimate.label == max(estimate.probabilities, key=estimate.probabilities.__getitem__)
    assert estimate.confidence == estimate.probabilities[estimate.label]
    assert estimate.modality.text is not None
    assert estimate.modality.speech is not None


def test_a_path_and_its_samples_give_the_same_estimate(predictor: Predictor, tmp_path: Path) -> None:
    path = wav.write(tmp_path / "a.wav", AUDIO, RATE_HZ)
    from_path, from_string, from_samples = (predictor.predict(a, "hello") for a in (path, str(path), AUDIO))
    assert from_path == from_string
    # 16 bit on disk, 32 bit in memory
    np.testing.assert_allclose(probabilities(from_path), probabilities(from_samples), atol=1e-3)


def test_samples_of_another_number_type_are_the_same_samples(predictor: Predictor) -> None:
    estimate = predictor.predict(AUDIO.astype(np.float64))
    np.testing.assert_allclose(probabilities(estimate), probabilities(predictor.predict(AUDIO)), atol=1e-6)


def test_each_modality_alone_masks_the_other(predictor: Predictor) -> None:
    text, speech, both = predictor.predict(text="w7"), predictor.predict(AUDIO), predictor.predict(AUDIO, "w7")
    assert text.modality.speech is None
    assert speech.modality.text is None
    assert text.modality.text == pytest.approx(both.modality.text, abs=1e-6)
    assert speech.modality.speech == pytest.approx(both.modality.speech, abs=1e-6)
    assert len({tuple(e.probabilities.values()) for e in (text, speech, both)}) == 3


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_neither_audio_nor_text_gives_the_prior_abstained(predictor: Predictor, text: str | None) -> None:
    estimate = predictor.predict(None, text)
    np.testing.assert_allclose(probabilities(estimate), [0.4, *[0.1] * 6], atol=1e-6)
    assert estimate.abstained == "nothing to judge"
    assert estimate.label == "neutral"


def test_what_was_said_before_changes_the_estimate_and_its_order_matters(predictor: Predictor) -> None:
    alone, after, reversed_order = (predictor.predict(AUDIO, "w7", c) for c in ([], EARLIER, EARLIER[::-1]))
    assert np.abs(probabilities(alone) - probabilities(after)).max() > 1e-4
    assert np.abs(probabilities(after) - probabilities(reversed_order)).max() > 1e-5


@pytest.mark.parametrize("k", [1, 3])
def test_only_the_last_k_minus_1_utterances_count(checkpoint: Path, k: int) -> None:
    narrow = livemerc.load(checkpoint, dialogue__context=k)
    long = narrow.predict(AUDIO, "w7", EARLIER)
    short = narrow.predict(AUDIO, "w7", EARLIER[len(EARLIER) - (k - 1) :])
    np.testing.assert_allclose(probabilities(long), probabilities(short), atol=1e-6)


@pytest.mark.parametrize("length", range(len(EARLIER) + 1))
def test_an_estimate_is_that_of_the_batch_over_the_same_window(
    checkpoint: Path, predictor: Predictor, length: int
) -> None:
    context = EARLIER[len(EARLIER) - length :]
    turns = [*context, Turn(AUDIO, "great w9")]
    model, encoders = load_model(checkpoint, "cpu", 1)
    t1, s1 = (torch.zeros(1, len(turns), CONVERSATION_CONFIG[m]["width"]) for m in ("text", "speech"))
    for i, turn in enumerate(turns):
        if turn.text:
            t1[0, i] = encoders.text([turn.text])[0]
        if isinstance(turn.audio, np.ndarray):
            s1[0, i] = encoders.speech(turn.audio)
    has_text = torch.tensor([[t.text is not None for t in turns]])
    has_speech = torch.tensor([[t.audio is not None for t in turns]])
    batch = model.window(t1, s1, has_text, has_speech, torch.tensor([len(turns)]))
    estimate = predictor.predict(AUDIO, "great w9", context)
    np.testing.assert_allclose(probabilities(estimate), batch.fused[0, -1].numpy(), atol=1e-5)
    assert estimate.modality.text is not None
    np.testing.assert_allclose(list(estimate.modality.text.values()), batch.text[0, -1].numpy(), atol=1e-5)


def test_predicting_leaves_no_trace(predictor: Predictor) -> None:
    first = predictor.predict(AUDIO, "hello")
    predictor.predict(buzz(2.0, seed=9), "sad", EARLIER)
    assert predictor.predict(AUDIO, "hello") == first


@pytest.mark.parametrize("shape", [(0,), (2, 800), (1, 1600), ()])
def test_samples_of_another_shape_are_refused(predictor: Predictor, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(n,\) array at 16000 Hz"):
        predictor.predict(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"\(n,\) array at 16000 Hz"):
        predictor.predict(AUDIO, context=[Turn(np.zeros(shape, np.float32))])


def test_audio_that_cannot_be_read_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"this is no audio")
    for path in (tmp_path / "noise.wav", tmp_path / "absent.wav"):
        with pytest.raises(InputError, match=path.name):
            predictor.predict(path)


def test_text_only_never_listens(checkpoint: Path) -> None:
    estimate = livemerc.load(checkpoint, model__text_only=True).predict(AUDIO, "hello")
    assert estimate.modality.speech is None


# --- the checkpoint that ships


def test_the_bundled_model_reads_plain_feelings() -> None:
    needs_bundled()
    model = livemerc.load()
    assert model.labels == LABELS
    assert model.predict(text="I am so happy for you, this is wonderful!").label == "joy"
    assert model.predict(text="I'm so sorry, she died this morning and I miss her so much.").label == "sadness"
    assert model.predict(text="Stop it! Leave me alone!").label == "anger"
    # contempt: the model card says so
    assert model.predict(text="How dare you! Get out of my house, you liar!").label in ("anger", "disgust")
    assert model.predict().abstained == "nothing to judge"


def test_the_bundled_model_through_a_session(recording: Path) -> None:
    needs_bundled()
    events = list(livemerc.monitor(recording, asr__engine="none"))
    frozen = [e for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"]
    assert [e.utterance_id for e in frozen] == ["u1", "u2"]
    for e in frozen:
        assert e.modality.text is None
        assert e.modality.speech is not None
        assert sum(e.probabilities.values()) == pytest.approx(1.0)


# --- predict against the speaker's own usual


@pytest.fixture(scope="module")
def with_baselines(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Of a window of three utterances."""
    folder = write_checkpoint(tmp_path_factory.mktemp("baselines") / "checkpoint", baselines=True)
    return livemerc.load(folder, dialogue__context=3, dialogue__revise=0)


def test_earlier_turns_of_the_same_speaker_are_what_a_voice_is_judged_against(with_baselines: Predictor) -> None:
    """Those before the window, too, by their voices alone: what a dialogue that heard all of them would say."""
    names = ["ann", "ben", None, "ann", "ann", "ben", "ann"]
    turns = [Turn(buzz(0.6, seed=i), None, name) for i, name in enumerate(names)]
    estimate = with_baselines.predict(AUDIO, context=turns, speaker="ann")
    dialogue = Dialogue(with_baselines._model, DialogueConfig(context=3, revise=0), Abstention())
    for number, turn in enumerate([*turns, Turn(AUDIO, None, "ann")]):
        assert isinstance(turn.audio, np.ndarray)
        voice = with_baselines._encoders.speech(turn.audio)
        events = dialogue.add(str(number), None, voice, Cues(len(turn.audio) / RATE_HZ), speaker=turn.speaker)
    np.testing.assert_allclose(probabilities(estimate), probabilities(events[0]), atol=1e-6)
    for context, speaker in ((turns, "ben"), (turns, None), (turns[1:], "ann")):
        other = with_baselines.predict(AUDIO, context=context, speaker=speaker)
        assert np.abs(probabilities(estimate) - probabilities(other)).max() > 1e-4, (len(context), speaker)


def test_who_speaks_is_nothing_to_a_checkpoint_without_baselines(predictor: Predictor) -> None:
    named = [replace(turn, speaker="ann") for turn in EARLIER]
    with_names = predictor.predict(AUDIO, "hello", named, speaker="ann")
    assert with_names == predictor.predict(AUDIO, "hello", EARLIER)
