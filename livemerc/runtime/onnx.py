"""Networks that onnxruntime runs: on one thread, for they are small, and threads that spin would take the cores from
others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.errors import ModelError, cause_of

_REINSTALL = "install livemerc anew"


def session(file: Path, weights: Mapping[str, np.ndarray] | None = None, mend: str = _REINSTALL) -> Any:
    """An `onnxruntime.InferenceSession` of a graph; `weights`: those that it names and does not hold. Raises
    `ModelError`, with the `mend`, where it cannot be read."""
    # onnxruntime's wheels report to their maker, and keep a device id and a database in the user's cache
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    if weights:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
        options.add_external_initializers(list(weights), values)
    try:
        return onnxruntime.InferenceSession(
            str(file), providers=["CPUExecutionProvider"], sess_options=options,
            enable_fallback=0,  # else it tries the same again and prints that, into what `run --json` prints
        )  # fmt: skip
    except _failures() as error:
        raise ModelError(f"{file}: this network cannot be read ({cause_of(error)}); {mend}.") from error


def run(network: Any, inputs: Mapping[str, np.ndarray], file: Path, mend: str = _REINSTALL) -> list[np.ndarray]:
    """All outputs of a `session`. Raises `ModelError`, with the `mend`, where it does not take these inputs."""
    try:
        return network.run(None, dict(inputs))
    except _failures() as error:
        raise ModelError(f"{file}: this network cannot be used ({cause_of(error)}); {mend}.") from error


def _failures() -> tuple[type[Exception], ...]:
    """What onnxruntime raises: it has no common class for it."""
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    return (
        ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf, ort.NoSuchFile, ort.NotImplemented,
        ort.RuntimeException, ValueError, RuntimeError,
    )  # fmt: skip
