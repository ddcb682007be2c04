"""What the speech encoder promises: an utterance's embedding depends on that utterance alone."""

from __future__ import annotations

import pytest
import torch

from livemerc.emotions import LABELS
from livemerc.model.speech import SpeechEncoder

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    torch.manual_seed(3)
    model = SpeechEncoder()
    for module in model.modules():  # running statistics as after training, so that masking is really needed
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.3)
            module.bias.data.normal_(0.0, 0.3)
    return model.eval()


def speechlike(seconds: float, seed: int) -> torch.Tensor:
    """A buzz with a wandering pitch and level over faint noise: (n,) float32."""
    generator = torch.Generator().manual_seed(seed)
    n = int(seconds * RATE_HZ)
    t = torch.arange(n) / RATE_HZ
    pitch_hz = 150 + 40 * torch.sin(2 * torch.pi * (0.7 + 0.1 * seed) * t)
    phase = torch.cumsum(2 * torch.pi * pitch_hz / RATE_HZ, 0)
    voice = sum(torch.sin(k * phase) / k for k in range(1, 12))
    level = 0.1 * (1 + torch.sin(2 * torch.pi * 3 * t))
    return level * voice + 0.003 * torch.randn(n, generator=generator)


def encode_alone(encoder: SpeechEncoder, samples: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(samples[None], torch.tensor([len(samples)]))[0]


@pytest.mark.parametrize("fill", [0.0, 0.7])
def test_embedding_depends_neither_on_padding_nor_on_batch_mates(encoder: SpeechEncoder, fill: float) -> None:
    utterances = [speechlike(s, i) for i, s in enumerate((0.25, 1.0, 1.013, 2.7, 6.0))]
    lengths = torch.tensor([len(u) for u in utterances])
    batch = torch.full((len(utterances), int(lengths.max()) + 1234), fill)
    for row, utterance in zip(batch, utterances, strict=True):
        row[: len(utterance)] = utterance
    with torch.inference_mode():
        together = encoder(batch, lengths)
    for row, utterance in zip(together, utterances, strict=True):
        torch.testing.assert_close(row, encode_alone(encoder, utterance), atol=1e-5, rtol=0)


def test_shapes_and_label_order(encoder: SpeechEncoder) -> None:
    with torch.inference_mode():
        s1 = encoder(torch.randn(3, 16_000) * 0.1, torch.tensor([16_000, 9_000, 4_000]))
        logits = encoder.classify(s1)
    assert s1.shape == (3, 128)
    assert logits.shape == (3, 7)
    assert encoder.config["labels"] == list(LABELS)
    assert sum(p.numel() for p in encoder.parameters()) < 1_000_000


def test_same_samples_give_the_same_embedding(encoder: SpeechEncoder) -> None:
    samples = speechlike(1.5, 4)
    assert torch.equal(encode_alone(encoder, samples), encode_alone(encoder, samples))


@pytest.mark.parametrize("seconds", [1 / RATE_HZ, 0.01, 0.25, 30.0])
def test_very_short_and_very_long_utterances_give_finite_output(encoder: SpeechEncoder, seconds: float) -> None:
    assert torch.isfinite(encode_alone(encoder, speechlike(seconds, 1))).all()


@pytest.mark.parametrize("samples", [torch.zeros(8_000), torch.ones(8_000), torch.tensor([0.0] * 7_999 + [1.0])])
def test_silence_and_degenerate_signals_give_finite_output(encoder: SpeechEncoder, samples: torch.Tensor) -> None:
    assert torch.isfinite(encode_alone(encoder, samples)).all()


def test_gain_does_not_change_the_embedding(encoder: SpeechEncoder) -> None:
    samples = speechlike(2.0, 2)
    louder, quieter = encode_alone(encoder, samples), encode_alone(encoder, samples * 0.2)
    torch.testing.assert_close(louder, quieter, atol=5e-3, rtol=0)


def test_different_voices_give_different_embeddings(encoder: SpeechEncoder) -> None:
    noise = 0.1 * torch.randn(32_000, generator=torch.Generator().manual_seed(0))
    assert (encode_alone(encoder, speechlike(2.0, 1)) - encode_alone(encoder, noise)).abs().max() > 0.05


def test_unknown_configuration_key_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="mel_bims"):
        SpeechEncoder({"mel_bims": 64})


def test_every_parameter_receives_a_gradient() -> None:
    torch.manual_seed(0)
    model = SpeechEncoder()
    logits = model.classify(model(torch.randn(4, 16_000) * 0.1, torch.tensor([16_000, 12_000, 9_000, 16_000])))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
