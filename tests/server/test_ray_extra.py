"""The extra for Ray: what it is told, what ships for it, and that without it nothing changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.command_line import environment
from helpers.paths import PROJECT

from livemerc.cli import call
from livemerc.errors import ConfigError
from livemerc.server.ray import app
from livemerc.server.ray.settings import Settings, settings_of
from trainer.cli import app as training

CONFIG = PROJECT / "configs" / "rooms-ray.yaml"


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra is not installed."""
    for name in ("ray", "ray.serve", "ray.data"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "livemerc.server.ray.build", raising=False)


def test_without_the_extra_the_application_says_what_to_install(without_ray: None) -> None:
    with pytest.raises(ConfigError, match=r"pip install 'livemerc\[ray\]'"):
        app({"journals": "/srv/livemerc"})


def test_without_the_extra_a_shared_labelling_says_what_to_install(
    without_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "texts.txt"
    table.write_text("I love it.\n")
    assert call(["pseudo-label", str(table), "--out", str(tmp_path / "out.csv"), "--ray"], training) == 3
    said = capsys.readouterr().err
    assert "pip install 'livemerc[ray]'" in said
    assert len(said.splitlines()) == 1
    assert call(["pseudo-label", str(table), "--out", str(tmp_path / "out.csv")], training) == 0


def test_nothing_but_the_cluster_knows_ray() -> None:
    """Every module is imported in a process in which there is no Ray, the cluster's own left out."""
    code = """
import importlib, pkgutil, sys
sys.modules["ray"] = None
import livemerc, trainer
names = [m.name for p in (livemerc, trainer) for m in pkgutil.walk_packages(p.__path__, f"{p.__name__}.")]
own = ("livemerc.server.ray.", "livemerc.__main__", "trainer.__main__")
for name in names:
    if not name.startswith(own):
        importlib.import_module(name)
assert not [name for name in sys.modules if name.startswith("ray.")]
print(len(names))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), cwd=PROJECT, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 250


def test_settings_may_come_as_text() -> None:
    assert settings_of({"journals": "/srv/x", "rooms": "8", "part_gpus": "0.5", "token": "@/t"}) == Settings(
        journals="/srv/x", rooms=8, part_gpus=0.5, token="@/t"
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "journals: rooms are kept in a folder"),
        ({"journals": "here"}, "give the whole path"),
        ({"journals": "/srv", "room": 3}, "`room`"),
        ({"journals": "/srv", "rooms": 0}, r"\$.rooms"),
        ({"journals": "/srv", "rooms": "many"}, r"\$.rooms"),
        ({"journals": "/srv", "replicas": 3}, "most_replicas is less than replicas"),
    ],
)
def test_settings_that_cannot_be_are_named(args: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settings_of(args)


def test_the_config_that_ships_is_valid_and_names_what_there_is() -> None:
    told = yaml.safe_load(CONFIG.read_text("utf-8"))
    (application,) = told["applications"]
    assert application["import_path"] == "livemerc.server.ray:app"
    settings = settings_of(application["args"])
    assert settings.waiting > 1, "1 refuses people although places are free"
    named = {line.strip("# ").split(":")[0].strip() for line in CONFIG.read_text("utf-8").splitlines()}
    assert {"token", "config"} <= named & set(Settings.__struct_fields__)
