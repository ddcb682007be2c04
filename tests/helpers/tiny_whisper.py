"""Builds a Whisper from nothing, small enough to learn ten spoken sentences by heart in a minute or two.

The real architecture, file format and code path (transformers -> ctranslate2 -> faster_whisper.WhisperModel) with
its own byte-level tokenizer and Whisper's special tokens: what is tested with it is our engine on the real library,
not the quality of a recogniser. English only, like tiny.en; `random_whisper.build_multilingual` detects
languages.
"""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

SENTENCES = (
    "I am so happy today.",
    "This is terrible news.",
    "Where did you put the keys?",
    "My brother lives in London.",
    "Please close the window.",
    "We missed the last train.",
    "Can you believe what he said?",
    "Dinner will be ready soon.",
    "That dog scared the children.",
    "Nobody told me about it.",
)
VOICES = ("slt", "rms")
SHORT_STEPS = 190
LONG_STEPS = 25
SLIPS = 0.2
VARIANTS = 24
SEED = 0


def speak(folder: Path) -> list[tuple[Path, str]]:
    """(wav file, sentence) for each sentence, voices in turn; needs flite. 16 kHz, 16 bit, mono."""
    clips = []
    for i, sentence in enumerate(SENTENCES):
        path = folder / f"sentence{i}.wav"
        subprocess.run(["flite", "-voice", VOICES[i % len(VOICES)], "-t", sentence, "-o", path], check=True)
        clips.append((path, sentence))
    return clips


def build(folder: Path) -> Path:
    """Speaks, trains, converts; returns the folder of the CTranslate2 model (`folder / "ct2"`)."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = speak(folder)
    hub = folder / "hf"
    tokenizer = make_tokenizer(hub)
    train(clips, tokenizer, hub)
    return convert(hub, folder / "ct2")


def make_tokenizer(folder: Path) -> Any:
    """Byte-level BPE learnt from the sentences, then Whisper's special tokens in Whisper's order."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import WhisperTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator([" " + sentence for sentence in SENTENCES], vocab_size=400, min_frequency=1)
    model = json.loads(bpe.to_str())["model"]
    # <|endoftext|> opens the special tokens: faster-whisper takes everything below it for text
    model["vocab"]["<|endoftext|>"] = len(model["vocab"])
    tokenizer = WhisperTokenizer(
        vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], pad_token="<|endoftext|>"
    )
    special = [
        "<|startoftranscript|>",
        "<|en|>",
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
    ]
    special += ["<|notimestamps|>", *(f"<|{i * 0.02:.2f}|>" for i in range(1501))]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.save_pretrained(folder)
    return tokenizer


def train(clips: list[tuple[Path, str]], tokenizer: Any, folder: Path) -> None:
    """Learns the clips by heart, each step with other noise and level, and saves for the converter."""
    import torch
    from faster_whisper.audio import pad_or_trim
    from faster_whisper.feature_extractor import FeatureExtractor
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    token = tokenizer.convert_tokens_to_ids
    end = token("<|endoftext|>")
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=128,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=256,
        decoder_ffn_dim=256,
        max_target_positions=448,
        decoder_start_token_id=token("<|startoftranscript|>"),
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        suppress_tokens=[],
        begin_suppress_tokens=[end],
    )
    extract = FeatureExtractor()
    audio = [read_wav(path) for path, _ in clips]
    heard = [[extract(augment(clip, rng)) for clip in audio] for _ in range(VARIANTS)]
    inputs, targets = teacher_forcing(clips, tokenizer)
    # Most steps see 6 s windows, a fifth of the cost of Whisper's 30 s; the sinusoidal positions are the same.
    short = WhisperForConditionalGeneration(WhisperConfig(**{**config.to_dict(), "max_source_positions": 300}))
    model = WhisperForConditionalGeneration(config)
    for network, steps, seconds, peak in ((short, SHORT_STEPS, 6, 2e-3), (model, LONG_STEPS, 30, 5e-4)):
        if network is model:
            weights = {k: v for k, v in short.state_dict().items() if k != "model.encoder.embed_positions.weight"}
            model.load_state_dict(weights, strict=False)
        optimizer = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=steps, pct_start=0.1)
        for step in range(steps):
            frames = seconds * 100
            mel = [pad_or_trim(heard[rng.integers(VARIANTS)][i], frames) for i in range(len(clips))]
            features = torch.from_numpy(np.stack(mel)).float()
            # Words of other clips slip into what the decoder is told: it must listen, not recite.
            others = inputs[torch.randperm(len(inputs))]
            slip = torch.rand(inputs.shape) < SLIPS
            slip[:, :2] = False
            told = torch.where(slip, others, inputs)
            logits = network(input_features=features, decoder_input_ids=told).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if step % 20 == 0 or step == steps - 1:
                print(f"{seconds} s windows, step {step}: loss {loss.item():.4f}", flush=True)
    model.generation_config = GenerationConfig(
        suppress_tokens=[],
        begin_suppress_tokens=[end],
        lang_to_id={"<|en|>": token("<|en|>")},
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
        decoder_start_token_id=config.decoder_start_token_id,
    )
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80, "sampling_rate": 16_000}))


def teacher_forcing(clips: list[tuple[Path, str]], tokenizer: Any) -> tuple[Any, Any]:
    """Decoder inputs and targets (clips, tokens); -100 where nothing is to be learnt."""
    import torch

    token = tokenizer.convert_tokens_to_ids
    end = token("<|endoftext|>")
    prompt = [token(f"<|{name}|>") for name in ("startoftranscript", "notimestamps")]
    rows = [prompt + tokenizer.encode(" " + text, add_special_tokens=False) + [end] for _, text in clips]
    width = max(map(len, rows))
    tokens = torch.tensor([row + [end] * (width - len(row)) for row in rows])
    inputs, targets = tokens[:, :-1], tokens[:, 1:].clone()
    targets[:, 0] = -100  # notimestamps: the decoder is told
    for row, ids in zip(targets, rows, strict=True):
        row[len(ids) - 1 :] = -100
    return inputs, targets


def convert(source: Path, target: Path) -> Path:
    """What `ct2-transformers-converter` does."""
    from ctranslate2.converters import TransformersConverter

    files = ["tokenizer.json", "preprocessor_config.json"]
    TransformersConverter(str(source), copy_files=files).convert(str(target), force=True)
    return target


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768


def augment(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another level, start and noise floor: an endpointed utterance is never cut like the clip it was learnt from."""
    before, after = rng.integers(0, 8000, 2)
    padded = np.concatenate([np.zeros(before), samples, np.zeros(after)])
    noisy = padded * 10 ** (rng.uniform(-12, 6) / 20) + rng.standard_normal(len(padded)) * 10 ** rng.uniform(-5, -2.5)
    return noisy.astype(np.float32)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
