"""Networks that onnxruntime runs: one that cannot be read is told in one sentence, and nothing else is printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livemerc.errors import ModelError
from livemerc.runtime.onnx import session
from livemerc.speakers.ge2e import WEIGHTS
from livemerc.speakers.network import GRAPH

WHOLE = (WEIGHTS / GRAPH).read_bytes()
NAME_AT = WHOLE.index(b"LSTM")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no graph",
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:NAME_AT] + b"\xff" + WHOLE[NAME_AT + 1 :],  # a name that is no text
        WHOLE[:NAME_AT] + b"XSTM" + WHOLE[NAME_AT + 4 :],  # a layer that there is not
        WHOLE,  # without its weights
        None,
    ],
    ids=["empty", "junk", "cut", "not text", "unknown layer", "no weights", "missing"],
)
def test_a_network_that_cannot_be_read_is_told_and_nothing_is_printed(
    content: bytes | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "network.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be read.*install livemerc anew"):
        session(path)
    assert capfd.readouterr() == ("", "")


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        session(WEIGHTS / GRAPH, {"W0": np.zeros((1, 2, 3), np.float32)})
