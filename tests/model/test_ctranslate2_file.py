"""CTranslate2's format, read: what its own writer wrote, and files that are none."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from ctranslate2.specs import common_spec, model_spec

from livemerc.model.ctranslate2_file import floating, read_variables


class Spec(model_spec.ModelSpec):
    """Two linear maps, "kept/..." and "left/..."."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.kept, self.left = common_spec.LinearSpec(), common_spec.LinearSpec()
        self.kept.weight, self.kept.bias = weight, bias
        self.left.weight, self.left.bias = weight + 1, bias + 1

    @property
    def name(self) -> str:
        return "Spec"


def written(folder: Path, weight: np.ndarray, bias: np.ndarray, kind: str) -> Path:
    spec = Spec(weight.copy(), bias.copy())  # its optimisation works in place
    spec.validate()
    spec.optimize(kind)
    spec.save(str(folder))
    return folder / "model.bin"


@pytest.mark.parametrize(("kind", "error"), [("float32", 0.0), ("float16", 1e-3), ("int8", 1 / 120)])
def test_what_the_library_writes_is_read_to_within_its_precision(tmp_path: Path, kind: str, error: float) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(5, 7)).astype(np.float32) * np.array([[1], [10], [0.1], [3], [1]], np.float32)
    bias = rng.normal(size=5).astype(np.float32)
    variables = read_variables(written(tmp_path, weight, bias, kind), "kept/")
    assert all(name.startswith("kept/") for name in variables)
    largest = np.abs(weight).max(1, keepdims=True)
    assert (np.abs(floating(variables, "kept/weight") - weight) <= error * largest).all()
    np.testing.assert_allclose(floating(variables, "kept/bias"), bias, atol=error)
    assert {name.split("/")[0] for name in read_variables(tmp_path / "model.bin")} == {"kept", "left"}


def test_a_file_that_is_cut_off_or_of_another_version_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, np.ones((2, 2), np.float32), np.ones(2, np.float32), "float32")
    whole = file.read_bytes()
    for length in (0, 3, 20, len(whole) // 2):
        file.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut off"):
            read_variables(file)
    file.write_bytes(struct.pack("<I", 99) + whole[4:])
    with pytest.raises(ValueError, match="version 99"):
        read_variables(file)
