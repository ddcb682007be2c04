"""parquet: csv's columns, typed, every character kept. pyarrow is loaded for this format alone."""

from __future__ import annotations

import io
import json

import msgspec

from livemerc import __version__
from livemerc.errors import ConfigError
from livemerc.export.table import columns, warn_of_unknown_labels
from livemerc.sessions.session import RecordedSession
from livemerc.text_safety import encodable


def parquet(session: RecordedSession) -> bytes:
    """Session-wide facts are in the file's metadata under `livemerc`, as JSON. Raises `ConfigError` without pyarrow."""
    try:
        import pyarrow  # type: ignore[import-untyped]  # publishes no types
        from pyarrow import parquet as pyarrow_parquet
    except ImportError as error:
        raise ConfigError(
            "--format parquet needs pyarrow: install it with `pip install pyarrow`, or take --format csv."
        ) from error
    warn_of_unknown_labels(session)
    types = {
        "string": pyarrow.string(),
        "float": pyarrow.float64(),
        "integer": pyarrow.int32(),
        "boolean": pyarrow.bool_(),
    }
    found = columns(session)
    schema = pyarrow.schema(
        [(column.name, types[column.kind]) for column in found],
        metadata={"livemerc": json.dumps(_about(session))},
    )
    values = [[column.value(utterance) for utterance in session.utterances] for column in found]
    table = pyarrow.table(
        [pyarrow.array(cells, type=field.type) for cells, field in zip(values, schema, strict=True)], schema=schema
    )
    file = io.BytesIO()
    pyarrow_parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def _about(session: RecordedSession) -> dict[str, object]:
    start = session.start
    return {
        "exported_by": __version__,
        "session": encodable(session.name),
        "recorded_by": session.info.version if session.info else start.version if start else None,
        "started_at": session.started_at or None,
        "source": session.source or None,
        "duration_s": session.duration_s,
        "purpose": start.purpose if start else None,
        "text_only": start.text_only if start else None,
        "judge_voice_of": start.judge_voice_of if start else None,
        "labels": list(session.labels),
        "checkpoint": msgspec.to_builtins(start.checkpoint) if start else None,
        "asr": msgspec.to_builtins(start.asr) if start else None,
        "ended": session.ended,
        "bookmarks": msgspec.to_builtins(session.bookmarks),
    }
