"""What a stranger reads in a run's folder, and that nothing of it is written twice or over a user's files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import torch
from helpers.paths import PROJECT

from livemerc.errors import ConfigError
from livemerc.toml_file import read_toml
from trainer.compact.config import complete
from trainer.loop import provenance
from trainer.loop.config_file import write_toml
from trainer.loop.run_folder import RunFolder
from trainer.merits_l.config import read_config

CONFIG = {"seed": 0, "text": {"lr": 1e-5, "init": "a \\ b"}, "fusion": {"mixture": [0.5, 0.5]}}


def run_json(out: Path) -> dict:
    return json.loads((out / "run.json").read_text())


def test_a_run_says_how_it_was_made(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", "compact")
    folder.begin("text", {"text.lr": 1e-5})
    folder.describe(CONFIG, {"meld": "abc"})
    found = run_json(tmp_path / "run")
    assert found["recipe"] == "compact"
    assert found["stages"] == {"text": {"text.lr": 1e-5}}
    (sitting,) = found["sittings"]
    assert sitting["data"] == {"meld": "abc"}
    assert sitting["threads"] == torch.get_num_threads()
    assert sitting["command"]
    assert read_toml(tmp_path / "run" / "config.toml") == CONFIG


def test_the_same_sitting_again_writes_nothing_and_another_is_added(tmp_path: Path) -> None:
    def sit() -> dict[Path, int]:
        folder = RunFolder(tmp_path, "compact")
        folder.begin("text", {})
        folder.describe(CONFIG, {"meld": "abc"})
        return {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}

    assert sit() == sit()
    RunFolder(tmp_path, "compact").describe({**CONFIG, "seed": 1}, {"meld": "abd"})
    assert [s["data"]["meld"] for s in run_json(tmp_path)["sittings"]] == ["abc", "abd"]
    assert read_toml(tmp_path / "config.toml")["seed"] == 1


def test_a_folder_with_a_broken_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"recipe": "comp')
    with pytest.raises(ConfigError, match=r"run\.json: cannot be read .*; name another --out"):
        RunFolder(tmp_path, "compact")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "file.py").write_text("a = 1\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", str(root), *arguments], check=True)
    return root


def test_the_revision_is_that_of_the_checkout_and_says_whether_it_was_changed(checkout: Path) -> None:
    clean = provenance.revision(checkout)
    assert len(clean["revision"]) == 40
    assert clean["uncommitted_changes"] is False
    (checkout / "file.py").write_text("a = 2\n")
    assert provenance.revision(checkout) == {**clean, "uncommitted_changes": True}


def test_without_a_checkout_or_git_the_revision_is_said_to_be_unknown(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = {"revision": None, "uncommitted_changes": None}
    note = "not run from a git checkout of livemerc"
    (checkout / "site-packages").mkdir()
    # installed inside somebody's own checkout: that one's revision is not ours
    assert provenance.revision(checkout / "site-packages") == {**unknown, "note": note}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.revision(checkout) == {**unknown, "note": "git is not installed"}


def test_a_command_line_names_no_folder_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/home/a/bin/livemerc-train", "train", "c.toml", "--data", "my data"])
    assert provenance.command_line() == "livemerc-train train c.toml --data 'my data'"
    monkeypatch.setattr("sys.argv", ["/home/a/trainer/__main__.py", "train"])
    assert provenance.command_line() == "python -m trainer train"


def test_a_digest_tells_contents_names_and_places_apart(tmp_path: Path) -> None:
    def of(files: dict[str, str]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return provenance.digest(folder)

    base = {"a": "1", "b/c": "2"}
    assert of(base) == of(dict(reversed(base.items())))
    others = [{"a": "1", "b/c": "3"}, {"a": "2", "b/c": "1"}, {"a": "1", "c": "2"}, {"a": "1"}, {**base, "d": ""}]
    assert len({of(base), *map(of, others)}) == 6
    assert set(provenance.digests(tmp_path, ["0", "1", "none"])) == {"0", "1"}


@pytest.mark.parametrize("name", ["compact", "merits-l-iemocap", "merits-l-meld", "merits-l-mosi"])
def test_a_completed_configuration_is_read_as_the_one_it_completes(tmp_path: Path, name: str) -> None:
    source, copy = PROJECT / "configs" / f"{name}.toml", tmp_path / "config.toml"
    read = complete if name == "compact" else read_config
    write_toml(msgspec.to_builtins(read(source)), copy)
    assert read(copy) == read(source)
    given, written = read_toml(source), read_toml(copy)
    for section in given:
        assert section in written
    assert complete(copy) == written if name == "compact" else written["recipe"] == "merits-l"
