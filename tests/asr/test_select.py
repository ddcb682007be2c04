"""`--asr auto` and its fellows: which recogniser is taken, what is said about it, what is refused. No network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from livemerc.asr import models, select
from livemerc.asr.models import cached_path, is_complete, list_models, local_path, pull
from livemerc.asr.select import best_cached, choose_engine
from livemerc.config import load_config
from livemerc.errors import ConfigError, ModelError
from livemerc.runtime.hub import hub_cache

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")


@pytest.fixture(autouse=True)
def fetched(tmp_path, monkeypatch) -> list[str]:
    """What was to be fetched from the hub, which cannot be reached; its cache is empty."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    names: list[str] = []

    def refuse(name: str, progress: object = None) -> None:
        names.append(name)
        raise ModelError(f"Whisper {name} cannot be fetched: the hub is not reachable; check the network.")

    monkeypatch.setattr(models, "pull", refuse)
    return names


@pytest.fixture
def hub(tmp_path) -> Path:
    return tmp_path / "hf" / "hub"


def cache(hub: Path, name: str, files=FILES, commit: str = COMMIT) -> Path:
    """The hub's own layout: blobs, and links to them in the snapshot of a commit."""
    folder = hub / ("models--" + models.REPOSITORIES[name].replace("/", "--"))
    snapshot = folder / "snapshots" / commit
    for sub in (folder / "blobs", folder / "refs", snapshot):
        sub.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    for i, file in enumerate(files):
        (folder / "blobs" / f"blob{i}").write_bytes(b"{}")
        (snapshot / file).symlink_to(Path("../../blobs") / f"blob{i}")
    return snapshot


def choose(**overrides):
    said: list[str] = []
    config = load_config(None, {key.replace("__", "."): value for key, value in overrides.items()}, environ={})
    engine = choose_engine(config, announce=said.append)
    engine.close()
    return engine.engine, "\n".join(said)


SHIPPED = ("faster-whisper", "ASR: faster-whisper tiny.en (ships with livemerc, English only).")


def test_the_table_of_models_is_faster_whispers():
    from faster_whisper.utils import _MODELS

    assert _MODELS == models.REPOSITORIES


@pytest.mark.parametrize("engine", ["auto", "faster-whisper"])
@pytest.mark.parametrize("offline", [False, True])
def test_without_a_cache_it_is_the_whisper_that_ships_and_nothing_is_fetched(fetched, engine, offline):
    assert choose(asr__engine=engine, offline=offline) == SHIPPED
    assert fetched == []


def test_the_one_that_ships_has_a_name_and_is_listed(hub):
    assert choose(asr__model="tiny.en") == ("faster-whisper", "ASR: faster-whisper tiny.en (as asked).")
    listed = {model.name: model for model in list_models()}
    assert (listed["tiny.en"].cached, listed["tiny.en"].path) == (False, models.BUNDLED)
    cached = cache(hub, "tiny.en")
    assert local_path("tiny.en") == cached  # what the user has fetched comes first


@pytest.mark.parametrize("language", ["de", "DE", "de-CH"])
def test_an_english_whisper_refuses_another_language_with_the_mend(language):
    with pytest.raises(ConfigError, match="livemerc models pull base") as raised:
        choose(asr__language=language)
    assert raised.value.exit_code == 2
    assert choose(asr__language="en") == SHIPPED


def test_a_whisper_that_was_lost_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(select, "BUNDLED", tmp_path)
    with pytest.raises(ModelError, match="install livemerc anew"):
        choose()


def test_auto_takes_a_complete_cached_whisper(hub, random_whisper):
    snapshot = cache(hub, "tiny", files=())
    for file in random_whisper.iterdir():
        (snapshot / file.name).symlink_to(file)
    assert choose() == ("faster-whisper", "ASR: faster-whisper tiny (found in the cache).")


def test_a_half_fetched_model_counts_as_absent(hub):
    cache(hub, "base", files=("config.json", "tokenizer.json", "vocabulary.txt"))
    snapshot = cache(hub, "small")
    (snapshot / "model.bin").resolve().unlink()
    assert cached_path("base") is None
    assert cached_path("small") is None
    assert choose() == SHIPPED


def test_an_older_complete_snapshot_is_found_when_the_newest_is_not_complete(hub):
    complete = cache(hub, "base", commit="a" * 40)
    cache(hub, "base", files=("config.json",), commit="b" * 40)
    assert cached_path("base") == complete


def test_of_several_the_one_that_keeps_up_is_taken(hub):
    for name in ("tiny", "large-v3", "base", "small"):
        cache(hub, name)
    assert best_cached(load_config(None, {"model.device": "cpu"}, environ={})) == "base"
    assert best_cached(load_config(None, {"model.device": "cuda"}, environ={})) == "large-v3"


def test_english_only_models_are_left_out_for_other_languages(hub):
    cache(hub, "base.en")
    assert best_cached(load_config(None, {"asr.language": "de"}, environ={})) is None
    assert best_cached(load_config(None, {"asr.language": "en"}, environ={})) == "base.en"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({}, str(Path.home() / ".cache/huggingface/hub")),
    ],
)
def test_the_cache_is_where_the_hub_says(environ, expected):
    assert hub_cache(environ) == Path(expected)


def test_models_lists_every_name_with_what_is_cached(hub):
    snapshot = cache(hub, "tiny")
    listed = {model.name: model for model in list_models()}
    assert set(listed) == set(models.REPOSITORIES)
    assert (listed["tiny"].cached, listed["tiny"].path, listed["tiny"].size_bytes) == (True, snapshot, 8)
    assert (listed["base"].cached, listed["base"].path, listed["base"].size_bytes) == (False, None, None)


def test_pull_of_a_cached_model_asks_nobody(hub):
    snapshot = cache(hub, "tiny")
    assert pull("tiny") == snapshot


def test_pull_refuses_when_the_hub_is_offline_or_the_name_unknown(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        pull("base")
    with pytest.raises(ModelError, match="unknown Whisper model 'bse'"):
        pull("bse")


@pytest.mark.parametrize("engine", ["auto", "faster-whisper"])
def test_a_named_whisper_that_is_not_here_is_refused_with_the_mend(engine):
    with pytest.raises(ModelError, match="livemerc models pull small") as raised:
        choose(asr__engine=engine, asr__model="small")
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("enormous", "unknown Whisper model 'enormous'"),
        ("/no/such/folder", "/no/such/folder: no such folder"),
        ("./absent", "no such folder"),
        ("a/b/c", "unknown Whisper model"),
    ],
)
def test_an_unknown_model_is_named(model, said):
    with pytest.raises(ModelError, match=said):
        choose(asr__engine="faster-whisper", asr__model=model)


def test_a_broken_model_folder_is_refused_in_one_sentence(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    with pytest.raises(ModelError, match="not a complete faster-whisper model"):
        choose(asr__engine="faster-whisper", asr__model=str(folder))
    for file in FILES:
        (folder / file).write_bytes(b"rubbish")
    assert is_complete(folder)
    with pytest.raises(ModelError, match="cannot be used") as raised:
        choose(asr__engine="faster-whisper", asr__model=str(folder))
    assert "\n" not in str(raised.value)


def test_none_is_announced():
    assert choose(asr__engine="none") == (
        "none",
        "ASR: none, as asked: the emotion is judged by the voice alone.",
    )


def test_transcript_needs_a_file(tmp_path):
    with pytest.raises(ConfigError, match=r"asr\.transcript"):
        choose(asr__engine="transcript")
    path = tmp_path / "call.vtt"
    path.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n")
    engine, said = choose(asr__engine="transcript", asr__transcript=str(path))
    assert engine == "transcript"
    assert "call.vtt" in said


def test_importing_the_room_loads_nothing_heavy():
    code = (
        "import sys, livemerc.asr.engine, livemerc.asr.select, livemerc.asr.models, livemerc.asr.screening, "
        "livemerc.asr.sidecar, livemerc.asr.faster_whisper_engine\n"
        "heavy = {'torch', 'faster_whisper', 'ctranslate2', 'transformers', 'huggingface_hub', 'av', "
        "'webvtt'}\nprint(sorted(heavy & set(sys.modules)))"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(models.__file__).parents[2])}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert shown.stdout.strip() == "[]"
