"""Configurations of the full-size recipe: what ships is read, and a mistake is named with its whole path."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from helpers.paths import PROJECT
from helpers.trainer.miniature import write_config

from livemerc.errors import ConfigError
from trainer.corpora.registry import options_of
from trainer.merits_l.config import read_config
from trainer.recipe import read_recipe

SHIPPED = sorted((PROJECT / "configs").glob("merits-l-*.toml"))
OPTIONAL = {"label_smoothing", "class_weights", "contrastive", "contrastive_temperature", "sentiment", "accumulate",
            "warm_up", "modality_dropout"}  # fmt: skip


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_what_ships_is_read_and_is_the_paper_s_model(path: Path) -> None:
    assert read_recipe(path) == "merits-l"
    config = read_config(path)
    assert set(config.corpus.options) <= set(options_of(config.corpus.name))
    assert (config.text.encoder, config.speech.embedding) == ("roberta-large", 256)
    text, speech, fusion = config.conversation.text, config.conversation.speech, config.fusion
    assert (text.hidden, text.layers, text.heads, text.dropout) == (512, 2, 8, 0.5)
    assert (speech.hidden, speech.layers, fusion.width, fusion.heads) == (128, 2, 256, 8)
    for section in (config.pretrain, config.text, config.speech, text, speech, fusion):
        off = msgspec.to_builtins(section)
        assert all(
            off.get(k, 0) in (0, "none") for k in OPTIONAL - {"contrastive_temperature", "accumulate", "warm_up"}
        )


def test_three_ship() -> None:
    assert [p.stem for p in SHIPPED] == ["merits-l-iemocap", "merits-l-meld", "merits-l-mosi"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_key_says_why_or_where_from(path: Path) -> None:
    section, commented = "", {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.split("]")[0]
        elif re.match(r"\w+ = ", line):
            key = line.split(" = ")[0]
            commented[section, key] = "#" in line
    plain = {key for (_, key), said in commented.items() if not said}
    # usual values, or said one section above; the recipe's name and the corpus' speak for themselves
    assert plain <= {"recipe", "name", "weight_decay", "clip", "batch", "weights", "seed", "patience"}
    assert sum(commented.values()) > 30


def test_the_compact_configuration_is_of_the_other_recipe() -> None:
    assert read_recipe(PROJECT / "configs" / "compact.toml") == "compact"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text__leraning_rate": 1.0}, "unknown key `text.leraning_rate`"),
        ({"conversation__speech__head": 8}, "unknown key `conversation.speech.head`"),
        ({"text__lr": "fast"}, "`text.lr`: Expected `float`, got `str`"),
        ({"fusion__dropout": 1.5}, "`fusion.dropout`: Expected `float` < 1.0"),
        ({"text__batch": 0}, "`text.batch`: Expected `int` >= 1"),
        ({"speech__weights": "none"}, "`speech.weights`: Invalid enum value 'none'"),
        ({"conversation__text__heads": 7}, "conversation.text.heads = 7 does not divide the width of 1024"),
        ({"fusion__heads": 5}, "fusion.heads = 5 does not divide the width of 256"),
    ],
)
def test_a_mistake_is_named_with_its_path(tmp_path: Path, change: dict, message: str) -> None:
    path = write_config(tmp_path / "c.toml", **change)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_missing_keys_and_files_and_unknown_recipes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text((PROJECT / "configs" / "merits-l-iemocap.toml").read_text().replace("max_tokens", "# max_tokens"))
    with pytest.raises(ConfigError, match=r"c\.toml: missing key `text\.max_tokens`\."):
        read_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recipe(tmp_path / "absent.toml")
    path.write_text("recipe = 'other'\n")
    with pytest.raises(ConfigError, match="recipe 'other' is unknown"):
        read_recipe(path)
    path.write_text("[text\n")
    with pytest.raises(ConfigError, match=r"c\.toml"):
        read_recipe(path)
