"""A checkpoint whose voice is the encoder of the recogniser's Whisper: exported, live, offline, evaluated, refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.command_line import environment, finished
from helpers.paths import DEMO
from helpers.processor import processor_with
from helpers.scripted_parts import Recited, Talk
from helpers.settled import settled
from helpers.trainer.miniature import small_config, write_iemocap
from helpers.trainer.tiny_merits_l import export_tiny, voices, whisper_parts
from helpers.trainer.whisper_sessions import TALK_S, WORDS, Reciting, emotions, heard
from helpers.voices_heard import voices_heard
from helpers.wav_file import write as write_wav

import livemerc
from livemerc.asr import models
from livemerc.asr.engine import NoAsr, Transcript
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.asr.select import choose_engine
from livemerc.audio.file_source import FileSource
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.config import Config, load_config
from livemerc.errors import ModelError
from livemerc.events import SessionStart, UtteranceFinal
from livemerc.model.checkpoint import MANIFEST, load_checkpoint, read_manifest
from livemerc.pipeline.monitor import Monitor
from trainer.evaluation.evaluate import Evaluation
from trainer.loop.options import TrainOptions
from trainer.recipe import train

HEADER = "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split"


def cache(folder: Path, name: str, home: Path) -> None:
    """Puts a Whisper into the hub's cache under the name of a size."""
    where = home / "hf" / "hub" / ("models--" + models.REPOSITORIES[name].replace("/", "--"))
    (where / "snapshots").mkdir(parents=True)
    (where / "snapshots" / "0123").symlink_to(folder)


# -- the checkpoint --------------------------------------------------------------------------------------------------


def test_a_checkpoint_holds_which_whisper_and_none_of_its_weights(checkpoint: Path, random_whisper: Path) -> None:
    manifest = read_manifest(checkpoint)
    assert manifest.whisper is not None
    assert manifest.whisper.model_bytes == (random_whisper / "model.bin").stat().st_size
    assert (checkpoint / "speech-front.safetensors").stat().st_size < 100
    assert str(random_whisper) not in (checkpoint / MANIFEST).read_text()
    assert load_checkpoint(checkpoint).speech.front.identity == manifest.whisper


@pytest.mark.parametrize(
    "change",
    [{"name": "../../etc"}, {"name": "a b"}, {"model_sha256": "x"}, {"model_bytes": -1}, {"dimension": 10**9},
     {"states": "first"}, {"unknown\n\x1b[2J" * 99: 1}, {"quantised": "yes"}],
)  # fmt: skip
def test_a_manifest_that_names_no_whisper_is_one_sentence(
    tmp_path: Path, parts: dict[str, Any], change: dict[str, Any]
) -> None:
    export_tiny(tmp_path, parts)
    tree = json.loads((tmp_path / MANIFEST).read_bytes())
    tree["speech_front"]["config"].update(change)
    (tmp_path / MANIFEST).write_text(json.dumps(tree))
    with pytest.raises(ModelError, match="names no Whisper") as error:
        read_manifest(tmp_path)
    assert str(error.value).isprintable()


def test_without_its_whisper_the_front_end_says_so(checkpoint: Path) -> None:
    model = load_checkpoint(checkpoint)
    with pytest.raises(ModelError, match="not loaded"):
        model.speech.front.features(voices(1.0))


# -- live is what was trained ----------------------------------------------------------------------------------------


def test_what_the_model_gets_live_is_what_training_cached(
    configured: Callable[..., Config],
    random_whisper: Path,
    parts: dict[str, Any],
    spoken: list[Utterance],
    monkeypatch: Any,
) -> None:
    from livemerc.model.encoders import Encoders

    live: list[torch.Tensor] = []
    real = Encoders.encoded_speech
    monkeypatch.setattr(Encoders, "encoded_speech", lambda *a: live.append(real(*a)) or live[-1])
    processor = processor_with(
        FasterWhisperEngine(random_whisper, configured().asr, device="cpu", floating=True), configured()
    )
    heard(processor, spoken)
    parts["head"].eval()
    expected = parts["head"](parts["front"].features([u.samples for u in spoken]))
    torch.testing.assert_close(torch.stack(live), expected, atol=1e-5, rtol=0)
    assert (live[0] - live[1]).abs().max() > 1e-4


def test_a_session_makes_one_encoder_pass_an_utterance(
    configured: Callable[..., Config], random_whisper: Path, encoded_frames: list[int]
) -> None:
    config = configured(asr__model=str(random_whisper), asr__word_timestamps=True)
    events = list(Monitor(Talk(TALK_S), config).events())
    finals = [e for e in events if isinstance(e, UtteranceFinal)]
    assert len(finals) >= 3
    assert len(encoded_frames) == len(finals)
    assert all(e.modality.speech is not None for e in emotions(events))
    start = next(e for e in events if isinstance(e, SessionStart))
    assert (start.asr.engine, start.asr.model) == ("faster-whisper", str(random_whisper))


def test_live_is_offline(configured: Callable[..., Config], random_whisper: Path, spoken: list[Utterance]) -> None:
    late = {f"overload__{key}": 80_000 for key in ("skip_partials_after_s", "fast_asr_after_s", "speech_only_after_s",
                                                   "unjudged_after_s")}  # fmt: skip
    config = configured(asr__model=str(random_whisper), **late)

    offline, live = (settled(Monitor(Talk(TALK_S, live=live, pace=20.0), config).events()) for live in (False, True))
    assert sum(isinstance(e, UtteranceFinal) for e in offline) == len(spoken)
    assert live == offline


def test_evaluated_is_heard(
    configured: Callable[..., Config], random_whisper: Path, checkpoint: Path, spoken: list[Utterance], tmp_path: Path
) -> None:
    """The same clips with the same words from a manifest: the probabilities at which the live dialogue freezes."""
    write_wav(tmp_path / "talk.wav", read_samples(DEMO, 16_000, 0.0, TALK_S), 16_000)
    cuts = [(u.utterance_id, u.samples_start_s, u.samples_start_s + len(u.samples) / 16_000) for u in spoken]
    rows = [f"d,{name},A,talk.wav,{start_s!r},{end_s!r},{WORDS},joy," for name, start_s, end_s in cuts]
    (tmp_path / "m.csv").write_text("\n".join([HEADER, *rows, ""]))
    config = configured(dialogue__revise=1)
    frozen = [
        e
        for e in emotions(heard(processor_with(Reciting(random_whisper, config), config), spoken))
        if e.status == "frozen"
    ]
    evaluation = Evaluation(tmp_path / "m.csv", None, checkpoint, device="cpu", whisper=str(random_whisper))
    expected = [[e.probabilities[label] for label in evaluation.labels] for e in frozen]
    np.testing.assert_allclose(evaluation.judge(1), expected, atol=1e-4)
    with pytest.raises(ModelError, match="not here"):
        Evaluation(tmp_path / "m.csv", None, checkpoint, device="cpu").judgement().figures()


def test_gated_words_take_nothing_from_the_voice(
    tmp_path: Path, german_whisper: Path, configured: Callable[..., Config], spoken: list[Utterance]
) -> None:
    export_tiny(tmp_path / "checkpoint", whisper_parts(german_whisper))
    config = load_config(
        overrides={"model.checkpoint": str(tmp_path / "checkpoint"), "model.device": "cpu"}, environ={}
    )
    events = heard(
        processor_with(FasterWhisperEngine(german_whisper, config.asr, device="cpu", floating=True), config), spoken[:1]
    )
    (final,) = [e for e in events if isinstance(e, UtteranceFinal)]
    assert final.asr.gated == "language de"
    for emotion in emotions(events):
        assert emotion.modality.text is None
        assert emotion.modality.speech is not None


# -- which recognisers may go with it --------------------------------------------------------------------------------


def test_another_whisper_is_refused(configured: Callable[..., Config], other_whisper: Path) -> None:
    with pytest.raises(ModelError, match="is another Whisper; give the folder of that one with --model") as error:
        processor_with(FasterWhisperEngine(other_whisper, configured().asr, device="cpu", floating=True), configured())
    assert error.value.exit_code == 3
    with pytest.raises(ModelError, match="is another Whisper"):
        processor_with(NoAsr(), configured(asr__model=str(other_whisper)))


def test_another_type_of_weights_is_refused(configured: Callable[..., Config], random_whisper: Path) -> None:
    config = configured(asr__compute_type="int8")
    with pytest.raises(ModelError, match=r"asr\.compute_type: .*; leave the key at default"):
        processor_with(FasterWhisperEngine(random_whisper, config.asr, device="cpu", floating=True), config)


def test_auto_takes_the_one_that_the_voice_needs_under_whatever_name(
    configured: Callable[..., Config], random_whisper: Path, other_whisper: Path, tmp_path: Path
) -> None:
    cache(other_whisper, "base", tmp_path)
    said: list[str] = []
    with pytest.raises(ModelError, match="which is not here"):
        choose_engine(configured(), announce=said.append)
    cache(random_whisper, "large-v3", tmp_path)
    engine = choose_engine(configured(), announce=said.append)
    assert said == ["ASR: faster-whisper large-v3 (the checkpoint's voice needs it)."]
    assert isinstance(engine, FasterWhisperEngine)
    assert engine.folder.resolve() == random_whisper.resolve()
    by_the_words = choose_engine(configured(model__text_only=True), announce=said.append)
    assert by_the_words.model == "base"


def test_a_recogniser_that_is_no_whisper_gets_it_beside_it(
    configured: Callable[..., Config], random_whisper: Path, spoken: list[Utterance], tmp_path: Path
) -> None:
    config = configured(asr__model=str(random_whisper))
    expected = emotions(heard(processor_with(Reciting(random_whisper, config), config), spoken))
    beside = emotions(heard(processor_with(Recited(), config), spoken))
    assert [e.modality for e in beside] == [e.modality for e in expected]
    cache(random_whisper, "small", tmp_path)
    alone = emotions(heard(processor_with(NoAsr(), configured(asr__engine="none")), spoken))
    assert [e.modality.speech is not None for e in alone] == [True] * len(alone)


def test_the_command_line_refuses_with_the_mend_and_goes_on_without_the_voice(
    checkpoint: Path, other_whisper: Path, tmp_path: Path
) -> None:
    sound = write_wav(tmp_path / "talk.wav", read_samples(DEMO, 16_000, 0.0, 4.0), 16_000)

    def run(*flags: str) -> subprocess.CompletedProcess[bytes]:
        return finished(
            "livemerc", "run", "--file", sound, "--speed", "0", "--json", "--offline",
            "--checkpoint", checkpoint, *flags,
            env=environment(HF_HOME=str(tmp_path)),
        )  # fmt: skip

    refused = run("--model", str(other_whisper))
    assert refused.returncode == 3
    assert b"is another Whisper" in refused.stderr
    assert b"Traceback" not in refused.stderr
    absent = run("--asr", "none")
    assert absent.returncode == 3
    assert b"which is not here" in absent.stderr
    without = run("--asr", "faster-whisper", "--text-only")
    assert without.returncode == 0, without.stderr
    judged = [e for e in map(json.loads, without.stdout.splitlines()) if e["type"] == "emotion"]
    assert judged
    assert all(e["modality"]["speech"] is None for e in judged)


def test_doctor_says_whether_the_whisper_of_the_voice_is_here(
    configured: Callable[..., Config],
    checkpoint: Path,
    random_whisper: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from livemerc import doctor

    monkeypatch.setenv("LIVEMERC_MODEL_CHECKPOINT", str(checkpoint))
    *_, absent = doctor._checkpoint()
    assert (absent.name, absent.state) == ("Whisper of the voice", "fail")
    assert "which is not here; give the folder of that one with --model" in absent.found
    cache(random_whisper, "tiny", tmp_path)
    *_, there = doctor._checkpoint()
    assert there.state == "ok"
    assert there.found.startswith("tiny in ")


def test_predict_encodes_with_its_own(
    configured: Callable[..., Config], checkpoint: Path, random_whisper: Path, parts: dict[str, Any]
) -> None:
    config = configured(asr__model=str(random_whisper))
    voice, brief = voices(1.0, 0.05)
    shown = livemerc.load(config=config).predict(voice, "Hello.")
    assert shown.modality.text is not None
    assert shown.modality.speech is not None
    assert livemerc.load(config=config).predict(brief).modality.speech is not None
    assert livemerc.load(config=configured(model__text_only=True)).predict(voice, "Hello.").modality.speech is None
    with pytest.raises(ModelError, match="which is not here"):
        livemerc.load(config=configured())


def test_a_run_over_it_ends_in_a_checkpoint_that_runs_live(
    configured: Callable[..., Config], random_whisper: Path, tmp_path: Path
) -> None:
    """`livemerc-train train` from a corpus to a session, in seconds."""
    epochs = {f"{name}__epochs": 1 for name in ("text", "speech", "conversation__text", "conversation__speech",
                                                "fusion")}  # fmt: skip
    config = small_config(tmp_path, speech__front=f"whisper:{random_whisper}", speech__weights="pretrained", **epochs)
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        train(config, write_iemocap(tmp_path / "iemocap"), tmp_path / "run", TrainOptions(device="cpu"))
    manifest = read_manifest(tmp_path / "run" / "checkpoint")
    assert manifest.whisper is not None
    assert manifest.speech_front is not None
    assert manifest.speech_front.data == [f"whisper:{manifest.whisper.name}"]
    assert str(tmp_path) not in (tmp_path / "run" / "checkpoint" / MANIFEST).read_text()
    settings = configured(model__checkpoint=str(tmp_path / "run" / "checkpoint"), asr__model=str(random_whisper))
    judged = emotions(list(Monitor(Talk(TALK_S), settings).events()))
    assert {label for e in judged for label in e.probabilities} == {"angry", "happy", "sad", "neutral"}
    assert all(e.modality.speech is not None for e in judged)


def test_an_encoding_is_no_part_of_what_makes_transcripts_equal() -> None:
    one = Transcript(text="a", encoding=np.zeros(3, np.float32))
    assert one == replace(one, encoding=None)


# -- whose voice may be judged -----------------------------------------------------------------------------------------


def test_at_work_no_encoding_is_made_and_nothing_reaches_the_head(
    configured: Callable[..., Config], random_whisper: Path
) -> None:
    config = configured(asr__engine="faster-whisper", asr__model=str(random_whisper), purpose="work")
    engine = Reciting(random_whisper, config)
    with voices_heard() as seen:
        found = emotions(list(Monitor(Talk(TALK_S), config, engine=engine).events()))
    assert found
    assert all(estimate.modality.speech is None for estimate in found)
    assert (seen, engine.encodes) == ([], False)


@pytest.mark.parametrize("words_by", ["whisper", "another"])
def test_of_two_channels_only_the_named_one_is_encoded(
    words_by: str,
    configured: Callable[..., Config],
    random_whisper: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left, right = read_samples(DEMO, 16_000, 0.0, 12.0), read_samples(DEMO, 16_000, 30.0, 42.0)
    call = write_wav(tmp_path / "call.wav", np.stack([left, right], axis=1), 16_000)
    config = configured(asr__model=str(random_whisper), judge_voice_of="me")
    encoded: list[np.ndarray] = []
    real = FasterWhisperEngine.encode

    def remember(self: FasterWhisperEngine, samples: np.ndarray) -> np.ndarray:
        encoded.append(samples)
        return real(self, samples)

    monkeypatch.setattr(FasterWhisperEngine, "encode", remember)
    engine = Reciting(random_whisper, config) if words_by == "whisper" else Recited()
    source = FileSource(call, 0, 20.0, speakers=("me", "them"))
    with voices_heard() as seen:
        events = list(Monitor(source, config, engine=engine).events())
    speakers = {event.utterance_id: event.speaker for event in events if isinstance(event, UtteranceFinal)}
    mine = sum(speaker == "me" for speaker in speakers.values())
    assert 0 < mine < len(speakers)
    assert len(encoded) == len(seen) == mine
    for estimate in emotions(events):
        assert (estimate.modality.speech is not None) == (speakers[estimate.utterance_id] == "me")
