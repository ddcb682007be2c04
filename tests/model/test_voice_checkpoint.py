"""Checkpoints of format 2: a voice head over the Whisper that ships. Format 1 loads as before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.networks import VOICE_CONFIG, merits, voice_branch, write_checkpoint
from helpers.speech import noise
from helpers.voices_heard import voices_heard

from livemerc import doctor
from livemerc.errors import ModelError
from livemerc.model import checkpoint as checkpoint_file
from livemerc.model.checkpoint import BUNDLED, MANIFEST, load_checkpoint, read_manifest, verify_files
from livemerc.model.encoders import load_model
from livemerc.model.voice import VoiceBranch
from livemerc.model.voice_head import VoiceHead
from livemerc.model.whisper_encoder import WhisperEncoder

VOICES = [noise(1.0, -20, seed=1), noise(0.3, -30, seed=2)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("voice") / "checkpoint", baselines=True)


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "checkpoint")


def changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    tree = json.loads((folder / MANIFEST).read_bytes())
    change(tree)
    (folder / MANIFEST).write_text(json.dumps(tree))


# -- written and read ------------------------------------------------------------------------------------------------


def test_a_checkpoint_names_its_whisper_and_holds_the_head_alone(written: Path) -> None:
    manifest = verify_files(written)
    assert manifest.format == 2
    assert manifest.voice_encoder is not None
    assert manifest.voice_encoder.path == BUNDLED / "whisper-tiny.en" / "model.bin"
    assert manifest.voice_encoder.bytes == manifest.voice_encoder.path.stat().st_size
    assert "MIT" in manifest.licence
    assert (written / "speech.safetensors").stat().st_size < 100_000


def test_a_voice_survives_the_round_trip(written: Path) -> None:
    model, encoders = load_model(written, "cpu", 1)
    made = merits(baselines=True)
    assert isinstance(model.speech, VoiceBranch)
    assert isinstance(made.speech, VoiceBranch)
    assert model.has_baseline
    voices = torch.stack([encoders.speech(voice) for voice in VOICES])
    torch.testing.assert_close(voices, made.speech.statistics(VOICES))
    torch.testing.assert_close(model.speech.head.mean, made.speech.head.mean, rtol=0, atol=0)
    baseline = model.baseline_of(voices)
    torch.testing.assert_close(baseline, made.baseline_of(voices))
    found = model.voice_of(voices, baseline.expand(2, -1))
    torch.testing.assert_close(found, made.voice_of(voices, baseline.expand(2, -1)), atol=0.02, rtol=0.01)
    assert found.shape == (2, 7)
    assert (found - model.voice_of(voices, None)).abs().max() > 1e-3
    never_heard = model.baseline_of(voices[:0]).expand(2, -1)
    torch.testing.assert_close(model.voice_of(voices, None), model.voice_of(voices, never_heard))


def test_several_at_once_are_each_alone(written: Path) -> None:
    _, encoders = load_model(written, "cpu", 1)
    batch = encoders.batch(["hello", None, None], [VOICES[0], VOICES[1], None])
    for (_, voice), samples in zip(batch[:2], VOICES, strict=True):
        assert voice is not None
        torch.testing.assert_close(voice, encoders.speech(samples), atol=1e-5, rtol=0)
    assert batch[2] == (None, None)


def test_where_words_alone_are_judged_no_voice_reaches_the_encoder(written: Path) -> None:
    _, encoders = load_model(written, "cpu", 1, voice=False)
    with voices_heard() as heard, pytest.raises(RuntimeError, match="words alone"):
        encoders.speech(VOICES[0])
    assert heard == []
    _, encoders = load_model(written, "cpu", 1)
    with voices_heard() as heard:
        encoders.speech(VOICES[0])
    assert len(heard) == 1


def test_in_bfloat16_a_voice_is_nearly_the_same(written: Path) -> None:
    _, encoders = load_model(written, "cpu", 1)
    model, halved = load_model(written, "cpu", 1, "bfloat16")
    assert isinstance(model.speech, VoiceBranch)
    assert model.speech.head.mean.dtype == torch.float32
    exact, rough = encoders.speech(VOICES[0]), halved.speech(VOICES[0])
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).square().mean().sqrt() < 0.1 * exact.std()


def test_the_largest_head_that_is_meant_takes_less_than_three_megabytes() -> None:
    head = VoiceHead({**VOICE_CONFIG, "rows": [0, 1, 2, 3, 4], "hidden": 256})
    packed = checkpoint_file.pack_state(head.state_dict(), exact=VoiceHead.EXACT)
    assert sum(tensor.nbytes for tensor in packed.values()) < 3_000_000


# -- format 1 --------------------------------------------------------------------------------------------------------


def test_a_compact_checkpoint_of_format_1_loads_and_knows_no_baseline(checkpoint: Path) -> None:
    assert read_manifest(checkpoint).format == 1
    model, encoders = load_model(checkpoint, "cpu", 1)
    assert not model.has_baseline
    s1 = torch.stack([encoders.speech(voice) for voice in VOICES])
    assert s1.shape == (2, 7)
    assert not model.baseline_of(s1).any()
    torch.testing.assert_close(model.voice_of(s1, None), s1, rtol=0, atol=0)


# -- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda encoder: encoder.update(sha256="0" * 64), "belongs to another Whisper"),
        (lambda encoder: encoder.update(bytes=encoder["bytes"] + 1), "belongs to another Whisper"),
        (lambda encoder: encoder.update(file="whisper-none/model.bin"), "install livemerc again"),
        (lambda encoder: encoder.update(file="../../etc/passwd"), "not a livemerc checkpoint manifest"),
        (lambda encoder: encoder.update(sha256="x"), "not a livemerc checkpoint manifest"),
        (lambda encoder: encoder.pop("bytes"), "not a livemerc checkpoint manifest"),
    ],
)
def test_another_whisper_is_one_sentence_and_exit_3(folder: Path, damage: Any, said: str) -> None:
    changed(folder, lambda tree: damage(tree["voice_encoder"]))
    with pytest.raises(ModelError, match=said) as error:
        load_checkpoint(folder)
    assert error.value.exit_code == 3
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree.update(format=1),
        lambda tree: tree.pop("voice_encoder"),
        lambda tree: tree.update(speech_front=tree["speech"]),
        lambda tree: tree.update(s1="embedding"),
    ],
)
def test_a_speech_branch_of_both_formats_is_refused(folder: Path, change: Any) -> None:
    changed(folder, change)
    with pytest.raises(ModelError, match="not one of format"):
        read_manifest(folder)


@pytest.mark.parametrize(
    "change",
    [{"rows": [9]}, {"rows": [0]}, {"kinds": ["mean"]}, {"dimension": 100_000}, {"labels": 10**7}, {"surprise": 1}],
)
def test_a_head_that_does_not_fit_its_weights_is_refused(folder: Path, change: dict[str, Any]) -> None:
    changed(folder, lambda tree: tree["speech"]["config"].update(change))
    with pytest.raises(ModelError, match="export the checkpoint again"):
        load_checkpoint(folder)


def test_a_head_of_another_encoder_is_refused() -> None:
    encoder = WhisperEncoder(checkpoint_file.VoiceEncoder.shipped().path, VoiceHead(VOICE_CONFIG).config.layout)
    with pytest.raises(ValueError, match="another encoder"):
        VoiceBranch(encoder, VoiceHead({**VOICE_CONFIG, "dimension": 192}))


def test_doctor_names_the_encoder(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEMERC_MODEL_CHECKPOINT", str(written))
    found = {finding.name: finding for finding in doctor._checkpoint()}
    assert found["Encoder of the voice"].state == "ok"
    assert "whisper-tiny.en" in found["Encoder of the voice"].found


def test_what_the_trainer_writes_is_of_format_2(tmp_path: Path) -> None:
    from livemerc.model.checkpoint import Abstention, VoiceEncoder, pack_state
    from livemerc.model.temperatures import Temperatures
    from trainer.loop.checkpoint_folder import Origin, Weights, write_checkpoint_folder

    head, origin = voice_branch().head, Origin(licence="none", data=[])
    weights = Weights(pack_state(head.state_dict(), exact=VoiceHead.EXACT), dict(VOICE_CONFIG), origin)
    manifest = write_checkpoint_folder(
        tmp_path / "out", {"text": weights, "speech": weights, "fusion": weights}, b"{}", id="made", labels=["a", "b"],
        prior=[0.5, 0.5], temperatures=Temperatures(), abstention=Abstention(), speech_trust=0.5,
        voice_encoder=VoiceEncoder.shipped(),
    )  # fmt: skip
    assert verify_files(tmp_path / "out") == manifest
    assert manifest.format == 2
