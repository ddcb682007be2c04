"""Voiceprints on the disk: whose they are, what two processes do at once, what is damaged or another embedder's."""

from __future__ import annotations

import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.voiceprints import EMBEDDER, voiceprint
from hypothesis import given
from hypothesis import strategies as st

from livemerc.errors import ConfigError, InputError, LivemercError
from livemerc.speakers.voiceprints import (
    EmbedderId,
    Found,
    UsualVoice,
    Voiceprints,
    checked_name,
    of_embedder,
    same_name,
)

USUAL = UsualVoice(statistics="2" * 64, checkpoint="test-1", voices=[bytes(8), b"\x00\x00\x80?" * 2])


@pytest.fixture
def prints(tmp_path: Path) -> Voiceprints:
    return Voiceprints(tmp_path / "data" / "voiceprints")


def test_what_is_kept_comes_back_and_is_its_owners_alone(prints: Voiceprints) -> None:
    old = os.umask(0)
    try:
        path = prints.add(voiceprint("Zoë Example"))
    finally:
        os.umask(old)
    assert prints.read().prints == [voiceprint("Zoë Example")]
    assert prints.find("zoë  example") == voiceprint("Zoë Example")
    assert "zo" not in path.name
    assert json.loads(path.read_bytes())["consent"]["given_at"].startswith("2026-01-02")
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(prints.folder.stat().st_mode) == 0o700
    assert [entry.name for entry in prints.folder.iterdir()] == [path.name]


def test_one_without_a_usual_voice_that_an_earlier_version_kept_is_read(prints: Voiceprints) -> None:
    path = prints.add(voiceprint("Ann"))
    kept = json.loads(path.read_bytes())
    del kept["usual_voice"]
    path.write_text(json.dumps(kept))
    assert prints.read() == Found([voiceprint("Ann")])


def test_a_usual_voice_comes_back_in_the_same_file_and_goes_with_it(prints: Voiceprints) -> None:
    with_it = voiceprint("Ann", usual_voice=USUAL)
    path = prints.add(with_it)
    assert prints.read().prints == [with_it]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert prints.forget("Ann")
    assert list(prints.folder.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [{"voices": []}, {"voices": ["AAAAAA=="] * 33}, {"voices": ["!"]}, {"checkpoint": "\x1b[2J"}, {"statistics": 1}],
)
def test_a_damaged_usual_voice_is_a_damaged_print(prints: Voiceprints, damage: dict[str, object]) -> None:
    path = prints.add(voiceprint("Ann", usual_voice=USUAL))
    kept = json.loads(path.read_bytes())
    path.write_text(json.dumps(kept | {"usual_voice": kept["usual_voice"] | damage}))
    (told,) = prints.read().damaged
    assert "damaged" in told


def test_nobody_is_enrolled_where_there_is_no_folder(prints: Voiceprints) -> None:
    assert prints.read().prints == []
    assert prints.forget_all() == 0
    assert not prints.forget("Ann")
    assert not prints.folder.exists()


def test_a_name_is_taken_once_whatever_its_capitals(prints: Voiceprints) -> None:
    prints.add(voiceprint("Ann", (1.0, 0.0)))
    with pytest.raises(ConfigError, match=r"enrolled already.*forget"):
        prints.add(voiceprint("ANN", (0.0, 1.0)))
    assert prints.read().prints == [voiceprint("Ann", (1.0, 0.0))]


def test_who_enrols_at_the_same_time_loses_nothing(prints: Voiceprints) -> None:
    names = [f"Person {number % 8}" for number in range(32)]

    def add(name: str) -> bool:
        try:
            Voiceprints(prints.folder).add(voiceprint(name))
        except ConfigError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(add, names))
    assert sum(done) == 8
    assert [one.name for one in prints.read().prints] == sorted(set(names))
    assert not list(prints.folder.glob("*.part"))


def test_forgetting_takes_one_or_all_away_damaged_ones_too(prints: Voiceprints) -> None:
    for name in ("Ann", "Ben", "Cem"):
        prints.add(voiceprint(name))
    assert prints.forget("ben")
    assert not prints.forget("Ben")
    assert [one.name for one in prints.read().prints] == ["Ann", "Cem"]
    (prints.folder / "half.part").write_bytes(b"{")
    (prints.folder / f"{'a' * 32}.json").write_bytes(b"{")
    assert prints.forget_all() == 3
    assert list(prints.folder.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 9}', b"[" * 100_000, b"\xff\xfe"])
def test_a_damaged_one_is_told_with_the_mend_and_the_others_are_read(prints: Voiceprints, damage: bytes) -> None:
    prints.add(voiceprint("Ann"))
    path = prints.add(voiceprint("Ben"))
    path.write_bytes(damage)
    found = prints.read()
    assert [one.name for one in found.prints] == ["Ann"]
    assert len(found.damaged) == 1
    assert "damaged" in found.damaged[0]
    assert "forget" in found.damaged[0]
    with pytest.raises(InputError):
        prints.find("Ben")


def test_a_file_under_another_name_and_a_link_are_no_voiceprints(prints: Voiceprints, tmp_path: Path) -> None:
    path = prints.add(voiceprint("Ann"))
    path.rename(prints.folder / f"{'b' * 32}.json")
    assert prints.read().prints == []
    if sys.platform != "win32":
        elsewhere = tmp_path / "elsewhere.json"
        (prints.folder / f"{'b' * 32}.json").rename(elsewhere)
        path.symlink_to(elsewhere)
        assert prints.read().prints == []
        assert "cannot be read" in prints.read().damaged[0]


def test_what_another_embedder_made_is_never_compared_and_told(prints: Voiceprints) -> None:
    other = EmbedderId(name="test", sha256="1" * 64)
    own, told = of_embedder([voiceprint("Ann"), voiceprint("Ben", embedder=other)], EMBEDDER)
    assert [one.name for one in own] == ["Ann"]
    assert len(told) == 1
    assert "Ben" in told[0]
    assert "another embedder" in told[0]
    assert of_embedder([voiceprint("Ann")], EMBEDDER) == ([voiceprint("Ann")], [])


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LivemercError, match="cannot be kept"):
        Voiceprints(tmp_path / "file" / "voiceprints").add(voiceprint("Ann"))


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "S1", "s23", "\x1b[31mred", "Ann\u202eneB"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        checked_name(name)


@given(st.text(max_size=60))
def test_a_name_that_is_taken_is_what_it_was_and_can_be_shown(name: str) -> None:
    try:
        checked = checked_name(name)
    except ConfigError:
        return
    assert checked_name(checked) == checked
    assert same_name(checked, name)
    assert checked.isprintable() or "\u200c" in checked or "\u200d" in checked
