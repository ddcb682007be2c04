"""The pages of reference say what the code says: events, exit codes, the files of a session, formats, corpora."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.documents import read
from helpers.paths import PROJECT


def _page(name: str) -> str:
    return read(PROJECT / "docs" / name)


def test_exit_codes_are_those_of_the_program() -> None:
    from livemerc import errors
    from livemerc.runtime import process

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", _page("errors.md"), re.MULTILINE)}
    ours = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert listed == ours | {process.EXIT_AT_ONCE}


def test_the_degrade_order_is_that_of_the_settings() -> None:
    from livemerc.config import OverloadConfig

    order = OverloadConfig()
    listed = [float(lag_s) for lag_s in re.findall(r"^\| (\d+) s \|", _page("errors.md"), re.MULTILINE)]
    assert listed == [
        order.skip_partials_after_s, order.fast_asr_after_s, order.speech_only_after_s, order.unjudged_after_s,
    ]  # fmt: skip


def test_events_and_their_fields_are_those_of_the_schema() -> None:
    from livemerc.events import json_schema

    described = dict(re.findall(r"^\| `([a-z.]+)` \| [^|]* \| ([^|]+) \|", _page("events.md"), re.MULTILINE))
    schema = json_schema()
    assert set(described) == set(schema["discriminator"]["mapping"])
    for kind, reference in schema["discriminator"]["mapping"].items():
        fields = set(schema["$defs"][Path(reference).name]["properties"]) - {"type"}
        assert set(re.findall(r"\w+", re.sub(r"\{[^}]*\}", "", described[kind]))) == fields, kind


def test_every_format_has_its_row() -> None:
    from livemerc.export import FORMATS

    rows = re.findall(r"^\| ([a-z, ]+) \| [^|]+ \| [^|]+ \|$", _page("formats.md"), re.MULTILINE)
    assert set(FORMATS) <= {name for row in rows for name in row.split(", ")}


def test_every_corpus_is_named() -> None:
    from trainer.corpora.registry import CORPORA

    named = re.sub(r"[^a-z]", "", _page("training.md").lower())
    assert {corpus for corpus in CORPORA if corpus not in named} == set()
