"""Makes the speaker encoder that ships (livemerc/weights/speakers: ge2e.safetensors, ge2e.onnx) from Resemblyzer's.

    pip install onnx
    pip download --no-deps --only-binary :all: Resemblyzer==0.1.4 -d DOWNLOADED
    python tools/make_speaker_encoder.py DOWNLOADED/Resemblyzer-0.1.4-py3-none-any.whl READERS

The published weights are a pickle in float32; these are safetensors in float16, and the graph that onnxruntime runs
takes them from there. Without arguments the graph alone is made. READERS: folder of the corpus of that
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
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.speakers.embedder import without_pauses
from livemerc.speakers.ge2e import ENCODER, WEIGHTS, Ge2eEmbedder
from livemerc.speakers.network import DEPTH, GRAPH, MEL_BINS, WIDTH
from trainer.corpora.labelled_clips import read_labelled

SOURCE = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_DIMENSIONS = 40.0
"""In so many directions embeddings vary: (sum of the covariance's eigenvalues)^2 over the sum of their squares."""
_WITHIN = 0.277
"""Squared distance of an utterance from its speaker's mean, over 194 voices that read, act and shout."""


def main() -> int:
    draw(WEIGHTS / GRAPH)
    if len(sys.argv) == 1:
        return 0
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
    save(weights, np.zeros(WIDTH, np.float32), 1.0)
    embedder = Ge2eEmbedder()
    clips = read_labelled(readers, "readers")
    points = [embedder.encode(without_pauses(read_samples(clip.path, SAMPLE_RATE_HZ))) for clip in clips]
    save(weights, np.mean(points, axis=0, dtype=np.float64).astype(np.float32), (_DIMENSIONS / _WITHIN) ** 0.5)
    file = WEIGHTS / ENCODER
    print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}  {file.stat().st_size:,} bytes")
    return 0


def save(weights: dict[str, torch.Tensor], centre: np.ndarray, scale: float) -> None:
    """The file that `Ge2eEmbedder` reads."""
    save_file(weights | {"centre": torch.from_numpy(centre), "scale": torch.tensor(scale)}, WEIGHTS / ENCODER)


def draw(path: Path) -> None:
    """The network of livemerc/speakers/network.py: mel powers (frames, windows, 40) in, embeddings (windows, 256) out.
    Its weights are given by whoever runs it: they are said to be in a file that there is not."""
    weights = {"linear.weight": (WIDTH, WIDTH), "linear.bias": (WIDTH,)}
    constants = {"first": np.array([0]), "second": np.array([1]), "least": np.array(1e-8, np.float32)}
    nodes, heard = [], "mel"
    for layer in range(DEPTH):
        names = {"W": (MEL_BINS if layer == 0 else WIDTH), "R": WIDTH}
        weights |= {f"{name}{layer}": (1, 4 * WIDTH, width) for name, width in names.items()}
        weights[f"B{layer}"] = (1, 8 * WIDTH)
        inputs = [heard, *(f"{name}{layer}" for name in "WRB")]
        last = layer == DEPTH - 1
        nodes.append(helper.make_node("LSTM", inputs, ["", "state"] if last else [f"all{layer}"], hidden_size=WIDTH))
        if not last:
            heard = f"heard{layer}"
            nodes.append(helper.make_node("Squeeze", [f"all{layer}", "second"], [heard]))
    nodes += [
        helper.make_node("Squeeze", ["state", "first"], ["last"]),
        helper.make_node("Gemm", ["last", "linear.weight", "linear.bias"], ["projected"], transB=1),
        helper.make_node("Relu", ["projected"], ["positive"]),
        helper.make_node("ReduceL2", ["positive", "second"], ["length"]),
        helper.make_node("Max", ["length", "least"], ["divisor"]),
        helper.make_node("Div", ["positive", "divisor"], ["embedding"]),
    ]
    inputs = [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["frames", "windows", MEL_BINS])]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["windows", WIDTH])]
    given = [_given(name, shape) for name, shape in weights.items()]
    given += [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "ge2e", inputs, outputs, given)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)


def _given(name: str, shape: tuple[int, ...]) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "given", "offset": 0, "length": 4 * int(np.prod(shape))}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


if __name__ == "__main__":
    sys.exit(main())
