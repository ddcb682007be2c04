"""A miniature IEMOCAP in the release's own tree, and a configuration of the full-size recipe over it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
from helpers.paths import PROJECT
from helpers.wav_file import write as write_wav

CODES = ("ang", "hap", "sad", "neu", "exc")
WORDS = {
    "ang": "leave me alone",
    "hap": "this is great",
    "sad": "i miss her",
    "neu": "the form please",
    "exc": "we won",
}


def write_iemocap(root: Path, dialogues: int = 2, turns: int = 5, seed: int = 0, audio: bool = True) -> Path:
    """Every session with `dialogues` dialogues of `turns` turns or one fewer, all classes in turn; a tone a class."""
    rng = np.random.default_rng(seed)
    for session in range(1, 6):
        folder = root / f"Session{session}"
        for part in ("EmoEvaluation", "transcriptions"):
            (folder / "dialog" / part).mkdir(parents=True)
        for d in range(dialogues):
            name = f"Ses0{session}F_impro0{d + 1}"
            labels, spoken = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
            for turn in range(turns - d % 2):
                code = CODES[(turn + d + session) % len(CODES)]
                start_s, voice = 3.0 * turn + 0.5, "FM"[turn % 2]
                utterance = f"{name}_{voice}{turn:03d}"
                labels += [
                    f"[{start_s:.4f} - {start_s + 0.4:.4f}]\t{utterance}\t{code}\t[2.5000, 2.5000, 2.5000]",
                    "C-E2:\tNeutral;\t()",
                    "",
                ]
                spoken.append(f"{utterance} [{start_s:08.4f}-{start_s + 0.4:08.4f}]: {WORDS[code]} {turn}")
                if audio:
                    t = np.arange(int(rng.integers(4000, 7000))) / 16_000
                    tone = 0.3 * np.sin(2 * np.pi * (150 + 90 * CODES.index(code)) * t)
                    path = folder / "sentences" / "wav" / name / f"{utterance}.wav"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_wav(path, (tone + 0.01 * rng.standard_normal(len(t))).astype(np.float32), 16_000)
            (folder / "dialog" / "EmoEvaluation" / f"{name}.txt").write_text("\n".join(labels) + "\n")
            (folder / "dialog" / "transcriptions" / f"{name}.txt").write_text("\n".join(spoken) + "\n")
    return root


def tone(path: Path, pitch_hz: float) -> Path:
    """0.4 s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(6400) / 16_000
    return write_wav(path, (0.3 * np.sin(2 * np.pi * pitch_hz * t)).astype(np.float32), 16_000)


def write_mosi(root: Path) -> Path:
    """Videos of three segments each."""
    root.mkdir()
    with (root / "label.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["video_id", "clip_id", "text", "label", "mode"])
        for split in ("train", "valid", "test"):
            for v in range(3 if split == "train" else 2):
                for clip in range(3):
                    rows.writerow([f"{split}{v}", clip, f"{list(WORDS.values())[clip]} film", clip - 1.0, split])
                    tone(root / "Segmented" / f"{split}{v}_{clip}.wav", 120 + 60 * clip)
    return root


def write_config(path: Path, source: str = "merits-l-iemocap.toml", **changes: object) -> Path:
    """A shipped configuration with keys changed: `text__lr=1e-3` is [text] lr, `conversation__text__heads` likewise.

    A key that the file does not have is added to its section.
    """
    text = (PROJECT / "configs" / source).read_text()
    for dotted, value in changes.items():
        *section, key = dotted.split("__")
        header = f"[{'.'.join(section)}]"
        start = text.index("\n" + header) + 1
        end = text.find("\n[", start)
        end = len(text) if end < 0 else end
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        body, found = re.subn(rf"^{key} = [^#\n]*", f"{key} = {shown} ", text[start:end], flags=re.MULTILINE)
        if not found:
            body = text[start:end].rstrip() + f"\n{key} = {shown}\n"
        text = text[:start] + body + text[end:]
    path.write_text(text)
    return path


def write_small_encoder(folder: Path) -> Path:
    """config.json of a BERT of 32 dimensions: an `encoder` for `weights = "random"`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(
        '{"model_type": "bert", "vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,'
        ' "intermediate_size": 48, "max_position_embeddings": 64, "pad_token_id": 0}'
    )
    return folder


SMALL: dict[str, object] = {
    "text__weights": "random", "text__epochs": 3, "text__lr": 1e-3, "text__batch": 8,
    "speech__front": "compact", "speech__weights": "random", "speech__epochs": 3, "speech__batch": 8,
    "conversation__text__hidden": 16, "conversation__text__heads": 4, "conversation__text__epochs": 2,
    "conversation__speech__hidden": 8, "conversation__speech__heads": 4, "conversation__speech__epochs": 2,
    "fusion__width": 16, "fusion__heads": 4, "fusion__epochs": 2,
}  # fmt: skip


def small_config(folder: Path, source: str = "merits-l-iemocap.toml", **changes: object) -> Path:
    """The recipe with networks of seconds: a small BERT and the compact speech encoder, both with random weights."""
    encoder = str(write_small_encoder(folder / "encoder"))
    return write_config(folder / "small.toml", source, **{"text__encoder": encoder, **SMALL, **changes})
