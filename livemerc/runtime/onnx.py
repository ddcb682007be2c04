"""Networks that onnxruntime runs: on one thread, for they are small, and threads that spin would take the cores from
others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.errors import ModelError, cause_of


def session(file: Path, weights: Mapping[str, np.ndarray] | None = None) -> Any:
    """An `onnxruntime.InferenceSession` of a graph; `weights`: those that it names and does not hold. Raises
    `ModelError` where it cannot be read."""
    # onnxruntime's wheels report to their maker, and keep a device id and a database in the user's cache
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

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
    except (
        ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf, ort.NoSuchFile, ort.NotImplemented,
        ort.RuntimeException, ValueError, RuntimeError,
    ) as error:  # fmt: skip
        raise ModelError(f"{file}: this network cannot be read ({cause_of(error)}); install livemerc anew.") from error
