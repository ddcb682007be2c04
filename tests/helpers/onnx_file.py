"""ONNX files without the package `onnx`: a graph in protobuf's wire format, as onnx.proto numbers its fields.

What a test needs of a speaker embedder: filter banks (B, T, 80) in, embeddings (B, D) out, any B and T.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

_FLOAT, _INTS, _INT = 1, 7, 2
"""TensorProto.FLOAT, AttributeProto.INTS and .INT."""


def speaker_network(
    path: Path, width: int, *, bins: int = 80, seed: int = 0, frames: int | str = "T", outputs: int = 1
) -> Path:
    """Mean and deviation over time of the frames, each through a drawn matrix, added: the shape of WeSpeaker's
    networks, and a spectrum's likeness as the voice's. `frames`: a number = the file fixes it."""
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.standard_normal((bins, width)).astype(np.float32) / bins**0.5 for name in ("of_mean", "of_dev")
    }
    nodes = [
        _node("ReduceMean", ["feats"], ["mean"], axes=[1], keepdims=1),
        _node("Sub", ["feats", "mean"], ["centred"]),
        _node("Mul", ["centred", "centred"], ["squares"]),
        _node("ReduceMean", ["squares"], ["variance"], axes=[1], keepdims=0),
        _node("Sqrt", ["variance"], ["deviation"]),
        _node("ReduceMean", ["feats"], ["flat"], axes=[1], keepdims=0),
        _node("MatMul", ["flat", "of_mean"], ["one"]),
        _node("MatMul", ["deviation", "of_dev"], ["other"]),
        _node("Add", ["one", "other"], ["embs"]),
    ]
    names = ["embs", "deviation"][:outputs]
    graph = b"".join(
        [
            *(_field(1, node) for node in nodes),
            _field(2, b"speaker"),
            *(_field(5, _tensor(name, value)) for name, value in weights.items()),
            _field(11, _value("feats", ["B", frames, bins])),
            *(_field(12, _value(name, ["B", width if name == "embs" else bins])) for name in names),
        ]
    )
    path.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, _number(2, 13)))  # IR 8, operators of set 13
    return path


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _node(operator: str, inputs: list[str], outputs: list[str], **attributes: int | list[int]) -> bytes:
    found = [*(_field(1, name.encode()) for name in inputs), *(_field(2, name.encode()) for name in outputs)]
    found.append(_field(4, operator.encode()))
    for name, value in attributes.items():
        whole = isinstance(value, int)
        values = _number(3, value) if isinstance(value, int) else b"".join(_number(8, one) for one in value)
        found.append(_field(5, _field(1, name.encode()) + values + _number(20, _INT if whole else _INTS)))
    return b"".join(found)


def _tensor(name: str, value: np.ndarray) -> bytes:
    shape = b"".join(_number(1, size) for size in value.shape)
    return shape + _number(2, _FLOAT) + _field(8, name.encode()) + _field(9, value.astype("<f4").tobytes())


def _value(name: str, shape: list[int | str]) -> bytes:
    sizes = b"".join(
        _field(1, _number(1, size) if isinstance(size, int) else _field(2, size.encode())) for size in shape
    )
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, _FLOAT) + _field(2, sizes)))
