"""The encoder of the Whisper that ships, frozen: what its layers make of a voice, in figures that have no time.

Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv 2212.04356. Its weights are
those of the recogniser's own file. CTranslate2 gives the last layer alone, in which little of a voice is left, so it is
computed here. It sees a part of the clip and a quarter of a second of zeros, positions from 0, and not the 30 s that it
was trained on: that takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.model.ctranslate2_file import floating, read_variables
from livemerc.model.mel import MelPower
from livemerc.model.transfer import to_device
from livemerc.model.undrawn import Undrawn

MEL_BINS = 80
FRAME_SAMPLES = 320
"""A frame of the encoder: 20 ms, two of the mel's."""
MARGIN_SAMPLES = 4_000
"""Zeros behind a clip: without them its last frames look as if it went on."""
LONGEST_PART_S = 29.5
"""There are positions for 30 s."""
_RANGE = 8.0
"""log10 of power: what is softer than the loudest by more is as if it were so soft."""

Kind = Literal["mean", "deviation", "delta"]


class Layout(msgspec.Struct, frozen=True):
    """Which figures: for each row each kind of each of the D channels, in this order.

    `rows`: 0 = the input of the first layer, i = the output of layer i, layers + 1 = the last one's behind the final
    norm. `kinds`, over the clip's frames: their mean, their standard deviation, and that of their differences from one
    to the next ("delta"). `peak`: log10 of the mel power that each clip's loudest bin is set to, so that a level means
    nothing; None = as loud as it is. `part_s`: a longer clip is encoded in equal parts, and its figures are over all of
    them. The states carry their position, so figures of long clips are others, and acted sadness is long: readers of
    10 s were called sad (trainer/LOG.md).
    """

    rows: tuple[int, ...]
    kinds: tuple[Kind, ...] = ("mean", "deviation")
    peak: float | None = None
    part_s: float = 5.0


class WhisperMel(MelPower):
    """Whisper's log-mel: 80 bands, without the frame around the end."""

    def __init__(self) -> None:
        super().__init__(MEL_BINS)

    def forward(self, samples: Tensor) -> Tensor:
        """(n,) -> log10 of the power (80, n // 160)."""
        return super().forward(samples)[:, :-1].clamp(min=1e-10).log10()


class _Layer(nn.Module):
    """Pre-norm transformer layer: self-attention, then two linear maps with a GELU between."""

    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dimension)
        self.attention_in = nn.Linear(dimension, 3 * dimension)
        self.attention_out = nn.Linear(dimension, dimension)
        self.norm = nn.LayerNorm(dimension)
        self.wide = nn.Linear(dimension, 4 * dimension)
        self.narrow = nn.Linear(4 * dimension, dimension)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = self._attended(x, x.shape[1])
        return x + self.narrow(F.gelu(self.wide(self.norm(x))))

    def mean(self, x: Tensor, frames: int) -> Tensor:
        """(B, T, D) -> (B, D), the mean of what `forward` gives for the first `frames`. The last map is linear, so that
        of a mean is the mean: two thirds of the layer's time."""
        x = self._attended(x, frames)
        return x.mean(1) + self.narrow(F.gelu(self.wide(self.norm(x))).mean(1))

    def _attended(self, x: Tensor, frames: int) -> Tensor:
        """(B, T, D) -> (B, frames, D): the first frames have attended to all."""
        normed, weight, bias = self.attention_norm(x), self.attention_in.weight, self.attention_in.bias
        width = x.shape[2]
        query = F.linear(normed[:, :frames], weight[:width], bias[:width])
        key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        heard = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return x[:, :frames] + self.attention_out(heard)


class WhisperNetwork(nn.Module):
    """Convolutions and `depth` layers. `forward` gives every row that there is.

    `last_is_mean`: of the last one the mean alone is asked for, which costs less.
    """

    positions: Tensor

    def __init__(
        self, dimension: int, heads: int, depth: int, *, final_norm: bool, last_is_mean: bool, positions: int
    ) -> None:
        super().__init__()
        self.last_is_mean = last_is_mean
        self.conv1 = nn.Conv1d(MEL_BINS, dimension, 3, padding=1)
        self.conv2 = nn.Conv1d(dimension, dimension, 3, stride=2, padding=1)
        self.register_buffer("positions", torch.empty(positions, dimension))
        self.layers = nn.ModuleList(_Layer(dimension, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dimension) if final_norm else None

    def forward(self, mel: Tensor, frames: int) -> list[Tensor]:
        """(B, 80, N) -> of the first `frames` rows 0 ... `depth`, and the one behind the final norm where it is asked
        for, each (B, frames, D); (B, 1, D) where it is a mean."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel.to(self.conv1.weight.dtype))))).transpose(1, 2)
        rows = [
            x.contiguous() + self.positions[: x.shape[1]]
        ]  # else every layer reads across the frames, a tenth slower
        for layer in self.layers[:-1] if self.last_is_mean else self.layers:
            rows.append(layer(rows[-1]))
        kept = [row[:, :frames] for row in rows]
        if self.last_is_mean:
            last = self.layers[-1]
            assert isinstance(last, _Layer)
            kept.append(last.mean(rows[-1], frames)[:, None])
        return kept if self.norm is None else [*kept, self.norm(kept[-1])]


class WhisperEncoder(nn.Module):
    """Clips -> the figures of `layout`. Layers above its highest row are not there. For one thread.

    `file`: a Whisper in CTranslate2's format. Raises ValueError for a file that is none, and for rows that it lacks.
    """

    def __init__(self, file: Path, layout: Layout) -> None:
        super().__init__()
        variables = read_variables(file, "encoder/")
        weights = _Weights(variables)
        total = weights.layers
        outside = [row for row in layout.rows if not 0 <= row <= total + 1]
        if outside or not layout.rows or not layout.kinds:
            raise ValueError(f"rows {list(layout.rows)} of an encoder that has 0 to {total + 1}")
        if not 0 < layout.part_s <= LONGEST_PART_S:
            raise ValueError(f"parts of {layout.part_s:g} s, where there are positions for {LONGEST_PART_S:g} s")
        self.layout = layout
        self._last: tuple[np.ndarray, _Rows] | None = None
        self.mel = WhisperMel()
        with Undrawn():
            positions = weights.of("position_encodings/encodings")
            self.network = WhisperNetwork(
                positions.shape[1], int(variables["encoder/num_heads"]), min(total, max(layout.rows)),
                final_norm=max(layout.rows) > total, positions=len(positions),
                last_is_mean=layout.kinds == ("mean",) and 1 <= max(layout.rows) <= total,
            )  # fmt: skip
        self.network.load_state_dict(weights.state(self.network))
        self.requires_grad_(False)
        self.eval()

    @property
    def width(self) -> int:
        """S, how many figures there are of a clip."""
        return len(self.layout.rows) * len(self.layout.kinds) * self.network.positions.shape[1]

    def train(self, mode: bool = True) -> WhisperEncoder:
        """Never: it is frozen."""
        return super().train(False)

    @torch.inference_mode()
    def statistics(self, clips: Sequence[np.ndarray]) -> Tensor:
        """Clips, each (n,) float32 at 16 kHz, n >= 1 -> (B, S) float32 on the encoder's device.

        One pass for each: together they are no faster on a CPU, and none depends on how long the others are.
        """
        return torch.stack([self._statistics(clip) for clip in clips])

    def has_states(self, rows: Sequence[int], peak: float | None, part_s: float) -> bool:
        """Whether there are `states` of these rows, of clips at this peak and in parts of this length."""
        with_frames = self.layout.rows[:-1] if self.network.last_is_mean else self.layout.rows
        return set(rows) <= set(with_frames) and (peak, part_s) == (self.layout.peak, self.layout.part_s)

    @torch.inference_mode()
    def states(self, clip: np.ndarray, rows: Sequence[int]) -> Tensor:
        """(n,) float32 at 16 kHz, n >= 1 -> (T, R * D), a row for each frame of 20 ms: `rows` one after the other. Of
        the very array that was heard last, by `statistics` too, they are there already."""
        of_rows, _ = self._rows(clip)
        return torch.cat([torch.cat(of_rows[self.layout.rows.index(row)]) for row in rows], 1)

    def _statistics(self, clip: np.ndarray) -> Tensor:
        of_rows, frames = self._rows(clip)
        return torch.cat([_figure(kind, of_row, frames) for of_row in of_rows for kind in self.layout.kinds])

    def _rows(self, clip: np.ndarray) -> _Rows:
        if self._last is None or self._last[0] is not clip:
            self._last = clip, self._heard(clip)
        return self._last[1]

    def _heard(self, clip: np.ndarray) -> _Rows:
        if clip.ndim != 1 or not len(clip):
            raise ValueError(f"a clip must be a non-empty (n,) array, not {clip.shape}")
        count = -(-len(clip) // round(self.layout.part_s * SAMPLE_RATE_HZ))
        parts = np.array_split(clip.astype(np.float32, copy=False), count)
        device = self.mel.window.device
        mels = [self.mel(to_device(torch.from_numpy(np.pad(part, (0, MARGIN_SAMPLES))), device)) for part in parts]
        loudest = torch.stack([mel.max() for mel in mels]).max()
        peak = loudest if self.layout.peak is None else loudest.new_tensor(self.layout.peak)
        frames = [-(-len(part) // FRAME_SAMPLES) for part in parts]
        of_rows: list[list[Tensor]] = [[] for _ in self.layout.rows]
        for count, mel in zip(frames, mels, strict=True):
            mel = torch.maximum(mel - loudest + peak, peak - _RANGE)
            found = self.network((mel + 4.0)[None] / 4.0, count)
            for of_row, row in zip(of_rows, self.layout.rows, strict=True):
                of_row.append(found[row][0].float())
        return of_rows, frames


_Rows = tuple[list[list[Tensor]], list[int]]
"""Of each row of a layout its parts, each (T, D) or (1, D); and how many frames each part has."""


def _figure(kind: Kind, parts: list[Tensor], frames: list[int]) -> Tensor:
    """Frames (T, D), or their mean (1, D), of each part of a clip -> (D,)."""
    if kind == "mean":
        sums = [part.mean(0) * count for part, count in zip(parts, frames, strict=True)]
        return torch.stack(sums).sum(0) / sum(frames)
    if kind == "delta":
        return _deviation(torch.cat([part[1:] - part[:-1] for part in parts]))
    return _deviation(parts[0] if len(parts) == 1 else torch.cat(parts))


def _deviation(x: Tensor) -> Tensor:
    """(N, D) -> (D,); nothing varies where there is nothing. `torch.std` over this axis takes eight times as long."""
    return (x - x.mean(0)).square().mean(0).sqrt() if len(x) else x.new_zeros(x.shape[1])


class _Weights:
    """The encoder's variables under the names of `WhisperNetwork`."""

    def __init__(self, variables: dict[str, np.ndarray]) -> None:
        self._variables = variables
        steps = {name.split("/")[1] for name in variables}
        self.layers = sum(step.startswith("layer_") and step != "layer_norm" for step in steps)

    def of(self, name: str) -> Tensor:
        return torch.from_numpy(floating(self._variables, f"encoder/{name}"))

    def state(self, network: WhisperNetwork) -> dict[str, Tensor]:
        state = {"positions": self.of("position_encodings/encodings")}
        names = {"conv1": "conv1", "conv2": "conv2"}
        for number in range(len(network.layers)):
            ours, theirs = f"layers.{number}", f"layer_{number}"
            names |= {
                f"{ours}.attention_in": f"{theirs}/self_attention/linear_0",
                f"{ours}.attention_out": f"{theirs}/self_attention/linear_1",
                f"{ours}.wide": f"{theirs}/ffn/linear_0",
                f"{ours}.narrow": f"{theirs}/ffn/linear_1",
            }
            state |= self._norm(f"{ours}.attention_norm", f"{theirs}/self_attention/layer_norm")
            state |= self._norm(f"{ours}.norm", f"{theirs}/ffn/layer_norm")
        if network.norm is not None:
            state |= self._norm("norm", "layer_norm")
        for ours, theirs in names.items():
            state |= {f"{ours}.{part}": self.of(f"{theirs}/{part}") for part in ("weight", "bias")}
        return state

    def _norm(self, ours: str, theirs: str) -> dict[str, Tensor]:
        return {f"{ours}.weight": self.of(f"{theirs}/gamma"), f"{ours}.bias": self.of(f"{theirs}/beta")}
