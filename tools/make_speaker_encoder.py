"""Makes the speaker encoder that ships (livemerc/weights/speakers/ge2e.safetensors) from Resemblyzer's.

    pip download --no-deps --only-binary :all: Resemblyzer==0.1.4 -d DOWNLOADED
    python tools/make_speaker_encoder.py DOWNLOADED/Resemblyzer-0.1.4-py3-none-any.whl READERS

The published weights are a pickle in float32; these are safetensors in float16. READERS: folder of the corpus of that
name, of whose voices centre and scale are found. The input's digest is checked and others are refused.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from livemerc.audio.read import read_samples
from livemerc.speakers.embedder import ENCODER, SAMPLE_RATE_HZ, WEIGHTS, SpeakerEmbedder, without_pauses
from trainer.corpora.labelled_clips import read_labelled

SOURCE = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_DIMENSIONS = 40.0
"""In so many directions embeddings vary: (sum of the covariance's eigenvalues)^2 over the sum of their squares."""
_WITHIN = 0.277
"""Squared distance of an utterance from its speaker's mean, over 194 voices that read, act and shout."""


def main() -> int:
    wheel, readers = Path(sys.argv[1]), Path(sys.argv[2])
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read("resemblyzer/pretrained.pt")
        licence = next(name for name in archive.namelist() if name.endswith(".dist-info/LICENSE"))
        WEIGHTS.mkdir(parents=True, exist_ok=True)
        with archive.open(licence) as text, (WEIGHTS / "LICENSE").open("wb") as out:
            shutil.copyfileobj(text, out)
    if hashlib.sha256(content).hexdigest() != SOURCE:
        print(f"{wheel}: its pretrained.pt is not the official one.", file=sys.stderr)
        return 1
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)["model_state"]
    weights = {name: tensor.half() for name, tensor in state.items() if not name.startswith("similarity")}
    save(weights, np.zeros(256, np.float32), 1.0)
    embedder = SpeakerEmbedder()
    clips = read_labelled(readers, "readers")
    points = [embedder.encode(without_pauses(read_samples(clip.path, SAMPLE_RATE_HZ))) for clip in clips]
    save(weights, np.mean(points, axis=0, dtype=np.float64).astype(np.float32), (_DIMENSIONS / _WITHIN) ** 0.5)
    file = WEIGHTS / ENCODER
    print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}  {file.stat().st_size:,} bytes")
    return 0


def save(weights: dict[str, torch.Tensor], centre: np.ndarray, scale: float) -> None:
    """The file that `SpeakerEmbedder` reads."""
    save_file(weights | {"centre": torch.from_numpy(centre), "scale": torch.tensor(scale)}, WEIGHTS / ENCODER)


if __name__ == "__main__":
    sys.exit(main())
