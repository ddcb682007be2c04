"""Makes the speaker encoder that ships (livemerc/weights/speakers: ge2e.safetensors, ge2e.onnx) from Resemblyzer's.

    pip install onnx
    pip download --no-deps --only-binary :all: Resemblyzer==0.1.4 -d DOWNLOADED
    python tools/make_speaker_encoder.py DOWNLOADED/Resemblyzer-0.1.4-py3-none-any.whl DATA RUN

The published weights are a pickle in float32. They are taught a little more, to hear the voice and not the room
(`trainer.speakers.embedder_tuning`; RUN: that run's folder), and become safetensors in float16; the graph that
onnxruntime runs takes them from there. Centre and scale go into the file; the limits that are printed belong into
`livemerc.speakers.ge2e.LIMITS`. Without arguments the graph alone is made. DATA: folder with the corpora. The input's
digest is checked and others are refused.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import tempfile
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
from livemerc.speakers.scale import Limits
from trainer.corpora.labelled_clips import read_labelled
from trainer.speakers.embedder_scale import carried_over, measure, read_voices
from trainer.speakers.embedder_tuning import tune

SOURCE = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
PUBLISHED_SCALE = 12.02
"""Of the published weights, (40 / .277)^.5: in the 40 directions in which embeddings vary, (sum of the covariance's
eigenvalues)^2 over the sum of their squares, a speaker's utterances have a variance of 1. Their squared distance from
the mean is .277, over 194 voices that read, act and shout."""
PUBLISHED_LIMITS = Limits(between=0.8, dimensions=30.0, strays=0.45, part_cost=1.5, coarse_cost=0.45)
"""Of the published weights, tuned on conversations (trainer/LOG.md)."""
MEASURED_ON = ("ravdess", "nemo", "emovo")
"""Voices that taught nothing, on which the published weights and the others are compared."""


def main() -> int:
    draw(WEIGHTS / GRAPH)
    if len(sys.argv) == 1:
        return 0
    wheel, data, run = (Path(word) for word in sys.argv[1:])
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read("resemblyzer/pretrained.pt")
        licence = next(name for name in archive.namelist() if name.endswith(".dist-info/LICENSE"))
        with archive.open(licence) as text, (WEIGHTS / "LICENSE").open("wb") as out:
            shutil.copyfileobj(text, out)
    if hashlib.sha256(content).hexdigest() != SOURCE:
        print(f"{wheel}: its pretrained.pt is not the official one.", file=sys.stderr)
        return 1
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)["model_state"]
    published = {name: tensor for name, tensor in state.items() if not name.startswith("similarity")}
    torch.set_num_threads(1)
    taught = tune(published, data, run)
    clips = read_labelled(data / "readers", "readers")
    with tempfile.TemporaryDirectory() as folder:
        one, other = (made(weights, Path(folder) / name) for name, weights in (("a", published), ("b", taught)))
        voices = read_voices(data, MEASURED_ON)
        of_published, of_taught = measure(one, voices, "published"), measure(other, voices, "taught")
        points = [other.encode(without_pauses(read_samples(clip.path, SAMPLE_RATE_HZ))) for clip in clips]
    scale, limits = carried_over(of_taught, of_published, PUBLISHED_SCALE, PUBLISHED_LIMITS)
    save(taught, np.mean(points, axis=0, dtype=np.float64).astype(np.float32), scale, WEIGHTS)
    print(f"within {of_published.within:.3f} {of_taught.within:.3f}, between {of_published.between:.3f} "
          f"{of_taught.between:.3f}, scale {scale:.2f}, {limits}")  # fmt: skip
    file = WEIGHTS / ENCODER
    print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}  {file.stat().st_size:,} bytes")
    return 0


def made(weights: dict[str, torch.Tensor], folder: Path) -> Ge2eEmbedder:
    """With these weights, of which nothing is known yet."""
    folder.mkdir()
    shutil.copy(WEIGHTS / GRAPH, folder / GRAPH)
    save(weights, np.zeros(WIDTH, np.float32), 1.0, folder)
    return Ge2eEmbedder(folder)


def save(weights: dict[str, torch.Tensor], centre: np.ndarray, scale: float, folder: Path) -> None:
    """The file that `Ge2eEmbedder` reads."""
    halves = {name: tensor.half().contiguous() for name, tensor in weights.items()}
    save_file(halves | {"centre": torch.from_numpy(centre), "scale": torch.tensor(scale)}, folder / ENCODER)


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
