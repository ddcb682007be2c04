"""Lines with what was said before them, and how an encoder reads both."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.trainer.small_compact import write_small_text_encoder, write_text_corpora

from livemerc.emotions import LABELS
from livemerc.model.text import load_tokenizer
from trainer.compact.text import build_encoder
from trainer.compact.text_lines import FOLDERS, Line, Reading, read_lines, tokenize

TARGET = np.eye(len(LABELS), dtype=np.float32)[0]


def line(*before: tuple[str | None, str], speaker: str | None = "Ross") -> Line:
    return Line("meld", speaker, "you was good", TARGET, before)


def test_who_speaks_is_marked_from_the_view_of_who_is_judged() -> None:
    said = line(("Joey", "one"), ("Ross", "two"), ("Monica", "three"), ("Joey", "four"))
    assert said.read(str, 3).before == "A: two C: three B: four"
    assert said.read(str.upper, 1) == Reading("YOU WAS GOOD", "B: FOUR")
    assert said.read(str).before == ""
    assert line().read(str, 3).before == ""


def test_every_line_has_those_of_its_dialogue_before_it_and_no_others(tmp_path: Path) -> None:
    data = write_text_corpora(tmp_path / "data")
    meld = read_lines(data, "meld")
    assert [len(x.before) for x in meld[:8]] == [0, 1, 2, 3, 0, 1, 2, 3]
    for earlier, later in pairwise(meld):
        if later.before:
            assert later.before == (*earlier.before, (earlier.speaker, earlier.text))


def test_every_corpus_is_read_in_the_order_of_its_file(tmp_path: Path) -> None:
    data = write_text_corpora(tmp_path / "data")
    read = {name: read_lines(data, name) for name in FOLDERS}
    assert [len(read[n]) for n in ("meld", "goemotions", "emorynlp", "ljspeech")] == [40, 30, 12, 20]
    assert not any(x.target.any() for x in read["ljspeech"])
    assert all(x.target.sum() == pytest.approx(1) for n in ("meld", "goemotions") for x in read[n])


def test_context_is_read_and_not_pooled(tmp_path: Path) -> None:
    folder = write_small_text_encoder(tmp_path / "encoder")
    encoder, _ = build_encoder(str(folder))
    tokenizer = load_tokenizer(str(folder / "tokenizer.json"), 24)
    encoder.eval()
    alone, with_one, with_other = (
        Reading("you was good"), Reading("you was good", "B: you was bad"), Reading("you was good", "B: it is awful")
    )  # fmt: skip
    ids, mask, own = tokenize(tokenizer, [alone, with_one])
    assert own[0].tolist() == mask[0].tolist()
    assert own[1].sum() == len(tokenizer.encode("you was good", add_special_tokens=False).ids)
    assert ids[1][own[1].bool()].tolist() == tokenizer.encode("you was good", add_special_tokens=False).ids
    with torch.inference_mode():
        first, again = (encoder(*tokenize(tokenizer, [x, alone]))[0] for x in (with_one, with_other))
        single, batched = (encoder(*tokenize(tokenizer, x))[-1] for x in ([alone], [with_one, alone]))
    assert not torch.allclose(first, again), "what was said before changes nothing"
    torch.testing.assert_close(single, batched, atol=1e-5, rtol=1e-5)


def test_what_is_too_long_loses_the_beginning_of_what_was_said_before(tmp_path: Path) -> None:
    folder = write_small_text_encoder(tmp_path / "encoder")
    tokenizer = load_tokenizer(str(folder / "tokenizer.json"), 16)
    reading = Reading("you was good", " ".join(["it is awful"] * 9) + " you was bad")
    ids, mask, own = tokenize(tokenizer, [reading])
    assert mask.sum() <= 16
    assert tokenizer.decode(ids[0].tolist()).endswith("you was bad you was good")
    assert own.sum() == 3
    _, mask, own = tokenize(tokenizer, [Reading(" ".join(["you was good"] * 9), "it is awful")])
    assert mask.sum() == own.sum() == 16
