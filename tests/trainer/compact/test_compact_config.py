"""The training configuration is strict: what ships is read, and a mistake is named with its path."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from helpers.paths import COMPACT

from livemerc.errors import ConfigError
from trainer.compact.config import ConversationStage, FusionStage, TextStage, VoiceStage, read_stage

STAGES = {
    "teacher": TextStage, "text": TextStage, "voice": VoiceStage, "conversation": ConversationStage,
    "fusion": FusionStage,
}  # fmt: skip


def changed(folder: Path, old: str, new: str) -> Path:
    text = COMPACT.read_text()
    assert text.count(old) >= 1
    path = folder / "changed.toml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_configuration_that_ships_is_read_and_holds_nothing_that_no_stage_reads() -> None:
    assert set(msgspec.toml.decode(COMPACT.read_bytes())) == set(STAGES)
    for section, stage in STAGES.items():
        assert isinstance(read_stage(COMPACT, section, stage), stage)


@pytest.mark.parametrize("section", STAGES)
def test_an_unknown_key_is_named_with_its_section_and_file(tmp_path: Path, section: str) -> None:
    path = changed(tmp_path, f"[{section}]", f"[{section}]\nleraning_rate = 1")
    with pytest.raises(ConfigError, match="leraning_rate") as caught:
        read_stage(path, section, STAGES[section])
    assert str(caught.value).startswith(f"{path}: [{section}]")


def test_a_value_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    path = changed(tmp_path, "[fusion]", "[fusion]").read_text().replace('dev_actors = ["', 'dev_actors = [1, "')
    (tmp_path / "wrong.toml").write_text(path)
    with pytest.raises(ConfigError, match=r"\[fusion\].*dev_actors\[0\]"):
        read_stage(tmp_path / "wrong.toml", "fusion", FusionStage)


def test_a_missing_key_and_a_missing_section_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[conversation]\nhidden = 1\n")
    with pytest.raises(ConfigError, match=r"\[conversation\].*heads"):
        read_stage(tmp_path / "c.toml", "conversation", ConversationStage)
    with pytest.raises(ConfigError, match=r"section \[text\] is missing"):
        read_stage(tmp_path / "c.toml", "text", TextStage)


def test_a_file_that_is_absent_or_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_stage(tmp_path / "absent.toml", "text", TextStage)
    (tmp_path / "c.toml").write_text("[text\n")
    with pytest.raises(ConfigError, match=r"c\.toml"):
        read_stage(tmp_path / "c.toml", "text", TextStage)
