"""CTranslate2's binary format: the weights of a converted model by their names.

As `ctranslate2.specs.ModelSpec.save` writes it; the library itself gives weights to nobody.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

VERSION = 6
_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""By the number that the format gives each."""


def read_variables(file: Path, prefix: str = "") -> dict[str, np.ndarray]:
    """The variables whose names begin with `prefix`, as they are stored: a quantised matrix (R, ...) as int8 beside its
    NAME_scale (R,). Raises ValueError for a file that is none, is cut off, or is of another version of the format."""
    with file.open("rb") as opened:
        version, _, _ = _number(opened, "I"), _text(opened), _number(opened, "I")
        if version != VERSION:
            raise ValueError(f"{file}: version {version} of CTranslate2's format, not {VERSION}")
        variables = {}
        for _ in range(_number(opened, "I")):
            name = _text(opened)
            shape = [_number(opened, "I") for _ in range(_number(opened, "B"))]
            kind, size = _number(opened, "B"), _number(opened, "I")
            if not name.startswith(prefix):
                opened.seek(size, os.SEEK_CUR)
            elif kind < len(_TYPES):
                variables[name] = np.frombuffer(_bytes(opened, size), _TYPES[kind]).reshape(shape)
            else:
                raise ValueError(f"{file}: {name} is of a type that this version does not read ({kind})")
        return variables


def floating(variables: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A variable in float32, whatever it is stored in. int8 holds w * scale, rounded, a scale for each row."""
    value = variables[name].astype(np.float32)
    scale = variables.get(f"{name}_scale")
    return value if scale is None else value / scale.reshape(-1, *[1] * (value.ndim - 1))


def _number(opened: BinaryIO, form: str) -> int:
    (number,) = struct.unpack(f"<{form}", _bytes(opened, struct.calcsize(f"<{form}")))
    return number


def _text(opened: BinaryIO) -> str:
    return _bytes(opened, _number(opened, "H"))[:-1].decode()  # ends with a zero byte


def _bytes(opened: BinaryIO, size: int) -> bytes:
    found = opened.read(size)
    if len(found) < size:
        raise ValueError(f"{opened.name}: cut off")
    return found
