"""Frozen speech front ends: samples -> one time-mean-pooled vector a layer. What a light head is trained on (Stage I).

They take the place of CARE in MERITS-L (arXiv 2501.11468): WavLM, HuBERT and wav2vec2 of `transformers`, and the
compact encoder. Trainer and live monitor share this file, so what is cached in training is what runs.

A result depends on nothing but the utterance: the convolutional front end runs over each utterance alone (its group
norm takes statistics over time, so padding would change them), padded frames are masked in every attention, zeroed
before the positional convolution, and left out of every mean.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from livemerc.model.transfer import to_device

SAMPLE_RATE_HZ = 16_000
WINDOW_S = 30.0
"""Attention grows with the square of the length: longer utterances are encoded in equal parts of at most this."""

FAMILIES = ("wavlm", "hubert", "wav2vec2")


class FrozenSpeech(nn.Module, ABC):
    """A front end that is never trained. Its features are cached by `trainer.fronts.cache`.

    `name`: what the user called it; `layers` (L) and `dimension` (D) of `features`; `extra` (E): width of one more
    row behind the layers, padded with zeros to D (CARE's semantic vector; 0 = no such row). `config` rebuilds it
    (`build_front`), None where no checkpoint can hold it.
    """

    modality: Literal["text", "speech"] = "speech"
    name: str
    layers: int
    dimension: int
    extra: int = 0
    config: dict[str, Any] | None = None

    @property
    def rows(self) -> int:
        """Rows of one utterance's features: L, and one more with `extra`."""
        return self.layers + (self.extra > 0)

    @property
    def settings(self) -> dict[str, Any]:
        """What the features depend on besides the weights; plain values."""
        return {"name": self.name, "layers": self.layers, "dimension": self.dimension, "extra": self.extra}

    @property
    def fingerprint(self) -> str:
        """SHA-256 over settings and weights, in hex: the same features have the same fingerprint."""
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
        return digest.hexdigest()

    @abstractmethod
    def features(self, samples: Sequence[np.ndarray]) -> Tensor:
        """Utterances, each (n,) float32 at 16 kHz, n >= 1 -> (B, rows, D) float32 on the front end's device."""


class TransformerSpeech(FrozenSpeech):
    """WavLM, HuBERT or wav2vec2. Row 0 is the input of the first layer, row i the output of layer i.

    `config`: `name`; `architecture` (`livemerc.model.architecture.describe`); `layers`: "all" or a list of row
    numbers; `normalise`: each utterance to zero mean and unit variance, as the model was pre-trained
    (`do_normalize` of its preprocessor). Raises ValueError for another architecture or a layer it does not have.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        from livemerc.model.architecture import build

        architecture = config["architecture"]
        family = architecture.get("model_type")
        if family not in FAMILIES:
            raise ValueError(f"{family!r} is no speech front end; one of {', '.join(FAMILIES)} is needed")
        self.config = config
        self.name = config["name"]
        self.network = network = build(architecture)
        total = network.config.num_hidden_layers + 1
        chosen = config["layers"]
        self._chosen: list[int] = list(range(total)) if chosen == "all" else [int(i) for i in chosen]
        outside = [i for i in self._chosen if not 0 <= i < total]
        if outside or not self._chosen:
            raise ValueError(f"{self.name} has layers 0 to {total - 1}, not {chosen}")
        self.layers = len(self._chosen)
        self.dimension = network.config.hidden_size
        self.requires_grad_(False)
        self.eval()

    @property
    def settings(self) -> dict[str, Any]:
        assert self.config is not None
        return {**super().settings, "chosen": self._chosen, "normalise": self.config["normalise"], "window_s": WINDOW_S}

    def train(self, mode: bool = True) -> TransformerSpeech:
        """Always in evaluation mode: dropout and layer drop would make frozen features random."""
        return super().train(False)

    @torch.no_grad()
    def features(self, samples: Sequence[np.ndarray]) -> Tensor:
        weight = next(self.network.parameters())
        device = weight.device
        owners, frames = [], []
        for number, utterance in enumerate(samples):
            for part in self._parts(utterance):
                wave = to_device(torch.from_numpy(part)[None], device, weight.dtype)
                frames.append(self.network.feature_extractor(wave)[0].transpose(0, 1))  # (N, C)
                owners.append(number)
        lengths = torch.tensor([len(f) for f in frames], device=device)
        padded = nn.utils.rnn.pad_sequence(frames, batch_first=True)
        sums = self._sums(padded, lengths)
        out = torch.zeros(len(samples), self.layers, self.dimension, device=device)
        owner = torch.tensor(owners, device=device)
        out.index_add_(0, owner, sums)
        total = torch.zeros(len(samples), device=device).index_add_(0, owner, lengths.float())
        return out / total[:, None, None]

    def _parts(self, utterance: np.ndarray) -> list[np.ndarray]:
        x = np.ascontiguousarray(utterance, np.float32)
        if x.ndim != 1 or not len(x):
            raise ValueError(f"an utterance must be a non-empty (n,) array, not {x.shape}")
        assert self.config is not None
        if self.config["normalise"]:
            x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
        parts = np.array_split(x, -(-len(x) // round(WINDOW_S * SAMPLE_RATE_HZ)))
        # Shorter than the receptive field of one frame there would be none: zeros behind it.
        return [np.pad(p, (0, max(0, self._receptive_field - len(p)))) for p in parts]

    @property
    def _receptive_field(self) -> int:
        c = self.network.config
        field, hop = 1, 1
        for kernel, stride in zip(c.conv_kernel, c.conv_stride, strict=True):
            field += (kernel - 1) * hop
            hop *= stride
        return field

    def _sums(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Convolutional frames (P, N, C), lengths (P,) -> sums over each part's frames (P, L, D) of the chosen rows."""
        projected = self.network.feature_projection(frames)
        hidden = projected[0] if isinstance(projected, tuple) else projected
        mask = torch.arange(hidden.shape[1], device=hidden.device)[None] < lengths[:, None]
        kept: dict[int, Tensor] = {}

        def keep(row: int, value: Any) -> None:
            value = value[0] if isinstance(value, tuple) else value
            if row in self._chosen:
                kept[row] = torch.where(mask[..., None], value.float(), 0.0).sum(1)

        layers = self.network.encoder.layers
        hooks = [layers[0].register_forward_pre_hook(
            lambda _, args, kwargs: keep(0, args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        )]  # fmt: skip
        for row, layer in enumerate(layers, start=1):
            hooks.append(layer.register_forward_hook(lambda _, __, out, row=row: keep(row, out)))
        try:
            with warnings.catch_warnings():  # WavLM's own call, with a float bias and a bool padding mask
                warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
                padding = None if bool(mask.all()) else mask
                last = self.network.encoder(hidden, attention_mask=padding).last_hidden_state
        finally:
            for hook in hooks:
                hook.remove()
        # "Stable layer norm" models normalise once more behind the last layer: that is its output, as elsewhere.
        keep(len(layers), last)
        return torch.stack([kept[row] for row in self._chosen], 1)


class CompactSpeech(FrozenSpeech):
    """The compact encoder (`livemerc.model.speech`) as a front end: one layer, its embedding (B, 1, 128).

    `config`: `name` and `encoder`, the encoder's own configuration.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        from livemerc.model.speech import SpeechEncoder

        self.config = config
        self.name = config["name"]
        self.network = SpeechEncoder(config["encoder"])
        self.layers, self.dimension = 1, self.network.dimension
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> CompactSpeech:
        """Always in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def features(self, samples: Sequence[np.ndarray]) -> Tensor:
        device = next(self.network.parameters()).device
        lengths = torch.tensor([len(s) for s in samples], device=device)
        waves = [torch.from_numpy(np.ascontiguousarray(s, np.float32)) for s in samples]
        padded = to_device(nn.utils.rnn.pad_sequence(waves, batch_first=True), device)
        return self.network(padded, lengths)[:, None]


FrontKind = Literal["transformers", "compact"]


def build_front(config: dict[str, Any]) -> FrozenSpeech:
    """The front end that `config["kind"]` names, with random weights. Raises ValueError for an unknown kind."""
    rest = {k: v for k, v in config.items() if k != "kind"}
    if config.get("kind") == "transformers":
        return TransformerSpeech(rest)
    if config.get("kind") == "compact":
        return CompactSpeech(rest)
    raise ValueError(f"unknown kind of speech front end: {config.get('kind')!r}")


def front_config(front: FrozenSpeech) -> dict[str, Any]:
    """What `build_front` takes back. Raises ValueError for a front end that no checkpoint can hold."""
    kind = {TransformerSpeech: "transformers", CompactSpeech: "compact"}.get(type(front))
    if kind is None or front.config is None:
        raise ValueError(f"{front.name}: a checkpoint cannot hold this speech front end")
    return {"kind": kind, **front.config}
