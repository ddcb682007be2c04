"""The stage `voice` from clips to what the next stages and the export take: left-out heads, temperatures, parts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.trainer.small_voices import SmallEncoder, small_stage, voice_corpora
from safetensors.numpy import load_file

from livemerc.emotions import LABELS
from trainer.compact import voice
from trainer.compact.compose import clip_pools
from trainer.compact.export import fusion_origin, speech_origin

STAGE = small_stage(corpora=["ravdess", "nemo", "emodb"], epochs=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_corpora(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("voice")
    voice.train(STAGE, data, out, source=SmallEncoder())
    return out


def test_what_is_left_says_what_it_is(run: Path) -> None:
    card = json.loads((run / "final/voice.json").read_text())
    assert card["corpora"] == ["ravdess", "nemo", "emodb", "readers"]
    assert "ASED" not in " ".join(card["data"])
    assert set(card["temperatures"]) == {"cold", "warm", "both"}
    assert card["config"]["labels"] == len(LABELS) == len(card["labels"])
    assert set(card["figures"]["left_out"]) == {"ravdess", "nemo", "emodb"}
    assert set(card["figures"]["ased"]) == {"cold", "warm"}, "measured on, not trained on"
    assert set(card["figures"]["librispeech"]) == {"utterance 1", "utterance 20"}
    assert "neutral" in card["figures"]["readers"]["utterance 1"]
    assert np.isfinite(load_file(run / "final/voice.safetensors")["mean"]).all()


def test_a_second_run_trains_nothing_again(run: Path, data: Path) -> None:
    logs = {p: (p.read_text(), p.stat().st_mtime_ns) for p in sorted(run.rglob("*.jsonl"))}
    assert len(logs) == 3 + STAGE.heads
    voice.train(STAGE, data, run, source=SmallEncoder())
    assert {p: (p.read_text(), p.stat().st_mtime_ns) for p in sorted(run.rglob("*.jsonl"))} == logs


def test_logits_of_every_clip_cold_and_warm_with_the_speakers_part(run: Path) -> None:
    arrays = dict(np.load(run / "final/embeddings.npz"))
    assert arrays["logits"].shape == (len(arrays["label"]), len(LABELS))
    assert np.array_equal(arrays["s1"], arrays["logits"])
    assert set(arrays["version"]) == {
        "clean",
        "clean-warm1",
        "clean-warm2",
        "augmented",
        "augmented-warm1",
        "augmented-warm2",
    }
    cold = np.isin(arrays["version"], ["clean", "augmented"])
    assert not arrays["earlier"][cold].any()
    assert arrays["earlier"][~cold].any()
    parts = {(c, s): p for c, s, p in zip(arrays["corpus"], arrays["speaker"], arrays["split"], strict=True)}
    assert parts["ravdess", "1"] == "A"
    assert parts["ravdess", "17"] == "B"
    assert parts["nemo", "SM0"] == parts["ased", "1"] == parts["librispeech", "1688"] == "C"
    assert {s: p for (c, s), p in parts.items() if c == "readers"} == {"19": "B", "32": "C"}, "A trained every head"
    assert set(arrays["corpus"]) == {"ravdess", "nemo", "emodb", "readers", "ased", "librispeech", "read"}, (
        "what did not train the head does not train the stages after it"
    )


def test_a_clip_is_judged_by_a_head_that_never_heard_its_corpus(run: Path, data: Path, tmp_path: Path) -> None:
    from trainer.compact.voice_protocol import logits

    everything = voice.all_voices(STAGE, data, run / "cache", voice.training_corpora(STAGE), 1, SmallEncoder())
    others = [c for c in voice.training_corpora(STAGE) if c != "emodb"]
    head = voice.train_head(voice.training_set(everything, others), STAGE, STAGE.seed, tmp_path)
    arrays = dict(np.load(run / "final/embeddings.npz"))
    of_emodb = (arrays["corpus"] == "emodb") & (arrays["version"] == "clean")
    temperature = json.loads((run / "final/voice.json").read_text())["temperatures"]["both"]
    wanted = logits(head, voice.Voices(everything["emodb"], head)) / temperature
    np.testing.assert_allclose(arrays["logits"][of_emodb], wanted, atol=1e-4)


def test_the_head_that_ships_is_the_mean_of_its_seeds_calibrated(run: Path) -> None:
    temperature = json.loads((run / "final/voice.json").read_text())["temperatures"]["both"]
    shipped = load_file(run / "final/voice.safetensors")
    seeds = [torch.load(run / f"final/seed{s}/voice.best.pt", weights_only=True) for s in range(STAGE.heads)]
    mean = np.mean([state["head.output.weight"].numpy() for state in seeds], axis=0)
    np.testing.assert_allclose(shipped["output.weight"], mean / temperature, atol=1e-5)
    np.testing.assert_array_equal(shipped["mean"], seeds[0]["head.mean"].numpy())


def test_the_next_stages_take_their_pools_from_it(run: Path) -> None:
    pools = clip_pools(run / "final/embeddings.npz", ["ravdess/19", "nemo/TP0"], soften=1.0)
    assert set(pools["dev"].actors) == {"ravdess/19", "nemo/TP0"}
    assert {"readers/19", "ravdess/1", "ravdess/17", "emodb/1"} <= set(pools["train"].actors)
    assert not {"readers/32", "ravdess/21", "ased/1", "librispeech/1688"} & set(pools["train"].actors)
    assert not any(actor.startswith("rakshak/") for actor in pools["train"].actors)
    assert {"ravdess/21", "nemo/SM0", "ased/1"} <= set(pools["test"].actors)


def test_the_checkpoint_names_the_corpora_that_trained_it() -> None:
    origin = speech_origin(["ravdess", "emodb", "readers"])
    assert origin.data == ["RAVDESS (CC BY-NC-SA 4.0)", "EMO-DB (CC0 1.0)", "LibriSpeech readers (CC BY 4.0)"]
    assert "non-commercial" in origin.licence
    fusion = fusion_origin(["ravdess", "emodb", "readers"])
    assert any("MELD" in name for name in fusion.data)
    assert "EMO-DB (CC0 1.0)" in fusion.data
