"""A full-size checkpoint, tiny: exported, loaded without network or pickle, and run by the live chain."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from helpers import rounding
from helpers.paths import DEMO, DEMO_WORDS, PROJECT
from helpers.trainer.tiny_merits_l import conversation_config, export_tiny, tiny_parts, voices
from helpers.wav_file import write as write_wav

import livemerc
from livemerc.audio.file_source import FileSource
from livemerc.audio.read import read_samples
from livemerc.config import load_config
from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, ModelError
from livemerc.events import EmotionEvent, SessionStart, UtteranceFinal
from livemerc.model.checkpoint import MANIFEST, load_checkpoint, read_manifest
from livemerc.model.encoders import load_model
from livemerc.model.merits import ConversationModel
from livemerc.model.speech_head import SpeechHead
from livemerc.model.text import tokenize
from livemerc.pipeline.monitor import Monitor
from trainer.fronts.encoders import build_speech_frontend


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return tiny_parts()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, Any]) -> Path:
    out = tmp_path_factory.mktemp("full") / "checkpoint"
    export_tiny(out, parts)
    return out


@pytest.fixture(scope="module")
def excerpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's first 12 s: three utterances."""
    return write_wav(tmp_path_factory.mktemp("excerpt") / "demo.wav", read_samples(DEMO, 16_000, 0.0, 12.0), 16_000)


@torch.no_grad()
@pytest.mark.parametrize(
    ("text", "speech"), [("roberta-large", "wavlm-large"), ("microsoft/deberta-v3-base", "hubert-base"),
                         ("minilm", "wav2vec2-base")],
)  # fmt: skip
def test_what_is_exported_is_what_was_trained(tmp_path: Path, text: str, speech: str) -> None:
    parts = tiny_parts(text, speech)
    export_tiny(tmp_path, parts, half=False)
    _, encoders = load_model(tmp_path, "cpu", 1)
    texts, voice = ["Hello there.", "x" * 400], voices(1.3)[0]
    parts["text"].eval()
    parts["head"].eval()
    expected = parts["text"](*tokenize(parts["tokenizer"], texts))
    torch.testing.assert_close(encoders.text(texts), expected, atol=1e-6, rtol=0)
    s1 = parts["head"](parts["front"].features([voice]))[0]
    assert s1.shape == (24,)
    torch.testing.assert_close(encoders.speech(voice), s1, atol=1e-6, rtol=0)


def test_half_precision_moves_the_embeddings_little(folder: Path, tmp_path: Path, parts: dict[str, Any]) -> None:
    export_tiny(tmp_path, parts, half=False)
    (_, half), (_, full) = load_model(folder, "cpu", 1), load_model(tmp_path, "cpu", 1)
    voice = voices(0.9)[0]
    torch.testing.assert_close(half.text(["Hello."]), full.text(["Hello."]), atol=5e-3, rtol=5e-3)
    torch.testing.assert_close(half.speech(voice), full.speech(voice), atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize(
    ("text", "speech"), [("roberta-large", "wavlm-large"), ("microsoft/deberta-v3-base", "hubert-base"),
                         ("minilm", "wav2vec2-base")],
)  # fmt: skip
@torch.inference_mode()
def test_both_encoders_compute_in_bfloat16_and_give_float32(tmp_path: Path, text: str, speech: str) -> None:
    """Layer by layer: what a whole network with random weights makes of the rounding differs between processors."""
    export_tiny(tmp_path, tiny_parts(text, speech), half=False)
    (_, full), (model, half) = (load_model(tmp_path, "cpu", 1, precision) for precision in ("float32", "bfloat16"))
    of = {name: tensor.dtype for name, tensor in model.named_parameters()}
    rounded = {name for name, dtype in of.items() if dtype == torch.bfloat16}
    assert rounded == {name for name in of if name.startswith(("text.encoder.", "speech.front.network."))}
    said, heard = ["Hello there.", "Well, what would you have said?"], voices(1.3, 0.4)
    pairs = [(full.text([one]), half.text([one])) for one in said] + [(full.speech(v), half.speech(v)) for v in heard]
    for exact, found in pairs:
        assert found.dtype == torch.float32
        assert found.isfinite().all()
        assert not torch.equal(found, exact), "nothing was computed in bfloat16"
    branches = {
        # the module itself: `Encoders` computes BERT's layers by `PackedText` (tests/model/test_precision.py)
        "text": rounding.layers(model.text.encoder, lambda: model.text(*tokenize(half._tokenizer, said))),
        "speech": rounding.layers(model.speech.front.network, lambda: [half.speech(voice) for voice in heard]),
    }
    for name, kinds in {"text": {"Linear", "LayerNorm"}, "speech": {"Linear", "LayerNorm", "Conv1d"}}.items():
        assert {layer.kind for layer in branches[name]} >= kinds
        assert {layer.dtype for layer in branches[name]} == {torch.bfloat16}, name
        rounding.sound(branches[name])


def test_loading_it_leaves_other_threads_their_random_weights(folder: Path) -> None:
    """Loads that overlap, and a network that is built meanwhile."""
    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load_checkpoint, folder) for _ in range(8)]
        while not all(load.done() for load in loads):
            assert torch.nn.init.normal_(torch.full((3,), math.nan)).isfinite().all()
    assert all(parameter.isfinite().all() for load in loads for parameter in load.result().parameters())
    assert torch.nn.init.normal_(torch.full((3,), math.nan)).isfinite().all()


def test_the_live_chain_runs_it(folder: Path, excerpt: Path) -> None:
    """Speech through the whole chain, the words given by the demo's own transcript."""
    overrides = {
        "model.checkpoint": str(folder), "asr.engine": "transcript", "asr.transcript": str(DEMO_WORDS)
    }  # fmt: skip
    config = load_config(overrides=overrides, environ={})
    events = list(Monitor(FileSource(excerpt, speed=0), config).events())
    start = next(e for e in events if isinstance(e, SessionStart))
    assert start.checkpoint.id == "tiny-full"
    assert "speech front end" in start.checkpoint.licence
    finals = [e for e in events if isinstance(e, UtteranceFinal)]
    emotions = [e for e in events if isinstance(e, EmotionEvent)]
    assert len(finals) >= 3
    assert any(f.text for f in finals)
    for final in finals:
        own = [e for e in emotions if e.utterance_id == final.utterance_id]
        assert own[0].status == "provisional"
        assert own[-1].status == "frozen"
        for e in own:
            assert set(e.probabilities) == set(LABELS)
            assert all(math.isfinite(p) and 0 <= p <= 1 for p in e.probabilities.values())
            assert abs(sum(e.probabilities.values()) - 1) < 1e-6
            assert e.modality is not None
            assert e.modality.speech is not None
            assert (e.modality.text is not None) == bool(final.text and final.asr.gated is None)
    assert len({e.confidence for e in emotions}) > len(finals) / 2, "different utterances, different estimates"


def test_run_takes_it_and_needs_neither_network_nor_trainer(folder: Path, excerpt: Path, tmp_path: Path) -> None:
    """As a user runs it; importing the trainer, unpickling and opening a socket all end the process."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def watch(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'pickle.find_class') or (\n"
        "            event == 'import' and arguments[0].partition('.')[0] == 'trainer'):\n"
        "        os.write(2, f'FORBIDDEN {event} {arguments}'.encode()); os._exit(42)\n"
        "sys.addaudithook(watch)\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{PROJECT}"}
    done = subprocess.run(
        [sys.executable, "-m", "livemerc", "run", "--file", str(excerpt), "--speed", "0", "--json", "--offline",
         "--asr", "none", "--checkpoint", str(folder)],
        capture_output=True, text=True, env=environment, cwd=PROJECT, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["checkpoint"]["id"] == "tiny-full"
    assert sum(e["type"] == "emotion" for e in events) >= 6


def test_load_predicts_from_text_voice_both_and_neither(folder: Path) -> None:
    model = livemerc.load(folder)
    voice = voices(1.0)[0]
    shown = {}
    for name, audio, text in (("both", voice, "Hello."), ("text", None, "Hello."), ("voice", voice, None)):
        estimate = model.predict(audio, text)
        assert abs(sum(estimate.probabilities.values()) - 1) < 1e-6
        shown[name] = estimate.probabilities["joy"]
    assert len(set(shown.values())) == 3
    assert model.predict().abstained == "nothing to judge"


def test_logits_as_s1_and_the_compact_front_end(tmp_path: Path, parts: dict[str, Any], checkpoint: Path) -> None:
    front = build_speech_frontend(f"compact:{checkpoint}")
    head = SpeechHead({"layers": 1, "dimension": front.dimension, "labels": 7, "embedding": 24})
    conversation = ConversationModel(conversation_config(parts["text"].dimension, 7))
    export_tiny(tmp_path, {**parts, "front": front, "head": head, "conversation": conversation}, s1="logits")
    _, encoders = load_model(tmp_path, "cpu", 1)
    assert encoders.speech(voices(1.0)[0]).shape == (7,)


def test_parts_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path, parts: dict[str, Any]) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="width of Stage II speech: 24"):
        export_tiny(out, parts, s1="logits")
    with pytest.raises(ConfigError, match="labels of the text encoder"):
        export_tiny(out, parts, labels=["a", "b"], prior=[0.5, 0.5])
    other = SpeechHead({"layers": 2, "dimension": 32, "labels": 7})
    with pytest.raises(ConfigError, match="another front end"):
        export_tiny(out, {**parts, "head": other})
    np.savez(tmp_path / "care.npz", **{"d/0": np.zeros((4, 32), np.float32)})
    care = build_speech_frontend(f"care:{tmp_path / 'care.npz'}")
    with pytest.raises(ConfigError, match="cannot hold this speech front end"):
        export_tiny(out, {**parts, "front": care})
    assert not out.exists()


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_front_end_is_named(tmp_path: Path, parts: dict[str, Any], damage: str) -> None:
    export_tiny(tmp_path, parts)
    file = tmp_path / "speech-front.safetensors"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="speech-front"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("text", {"model_type": "nothing"}),
        ("text", {"model_type": "t5"}),
        ("speech_front", {"kind": "pickle"}),
        ("speech_front", {"layers": [77]}),
        ("speech", {"dimension": 31}),
        ("speech", {"nonsense": 1}),
    ],
)
def test_a_foreign_configuration_is_a_model_error(
    tmp_path: Path, parts: dict[str, Any], part: str, change: dict[str, Any]
) -> None:
    export_tiny(tmp_path, parts)
    tree = json.loads((tmp_path / MANIFEST).read_bytes())
    tree[part]["config"].update(change)
    (tmp_path / MANIFEST).write_text(json.dumps(tree))
    with pytest.raises(ModelError, match="do not fit") as error:
        load_checkpoint(tmp_path)
    assert error.value.exit_code == 3


def test_a_compact_manifest_says_nothing_of_full_size_and_means_the_same() -> None:
    manifest = read_manifest()
    assert manifest.speech_front is None
    assert manifest.s1 == "logits"
    assert "front end: MIT (OpenAI Whisper tiny.en)" in manifest.licence, "what it hears with is the recogniser's"
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=type(manifest)) == manifest
