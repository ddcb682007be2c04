"""What the README shows can be typed: every command parses, every path exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from helpers.paths import PROJECT

from livemerc.cli import app

README = (PROJECT / "README.md").read_text("utf-8")


def _blocks(*languages: str) -> list[str]:
    return [body for language, body in re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL) if language in languages]


def _commands(program: str) -> list[list[str]]:
    """Argument lists of every `program ...` in the shell blocks, comments and pipes cut off."""
    found = []
    for line in "\n".join(_blocks("sh", "powershell")).splitlines():
        for part in line.split("|"):
            words = shlex.split(part.replace("\\", "/"), comments=True)
            if words and words[0].split("/")[-1] == program:
                found.append(words[1:])
    return found


def _inline_commands() -> list[list[str]]:
    """`livemerc ...` in running text, as far as it is a whole command."""
    return [shlex.split(words) for words in re.findall(r"`livemerc ([^`]+)`", README)]


@pytest.mark.parametrize("arguments", _commands("livemerc") + _inline_commands(), ids=" ".join)
def test_every_livemerc_command_parses(arguments: list[str]) -> None:
    command, _, _ = app.parse_args(arguments, print_error=False, exit_on_error=False)
    assert command is not None


@pytest.mark.parametrize("arguments", _commands("livemerc-train"), ids=" ".join)
def test_every_training_command_parses(arguments: list[str]) -> None:
    from trainer.cli import app as training

    command, _, _ = training.parse_args(arguments, print_error=False, exit_on_error=False)
    assert command is not None


def test_the_readme_has_commands_of_every_kind() -> None:
    assert len(_commands("livemerc")) >= 10
    assert len(_commands("livemerc-train")) >= 3
    assert {arguments[0] for arguments in _commands("livemerc")} >= {"run", "devices", "doctor", "models", "bench"}


def test_the_readme_opens_with_the_two_commands() -> None:
    first = [line.split("#")[0].strip() for line in _blocks("sh")[0].splitlines()]
    assert first == ["make demo", "make test"]
    assert README.index("make demo") < README.index("livemerc listens")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z][a-z-]+)\b", " ".join(_blocks("sh"))))))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def _tree() -> list[str]:
    paths, parents = [], [""]
    for line in next(block for block in _blocks("text") if "livemerc/" in block).splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        path = "".join(parents[1 : depth + 1]) + name
        del parents[depth + 1 :]
        parents.append(name)
        paths.append(path)
    return paths


@pytest.mark.parametrize("path", _tree())
def test_every_path_of_the_tree_exists(path: str) -> None:
    there = PROJECT / path
    assert there.is_dir() if path.endswith("/") else there.is_file()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (PROJECT / path).exists()


def test_exit_codes_of_the_readme_are_those_of_the_program() -> None:
    from livemerc import errors
    from livemerc.runtime import process

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    ours = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert listed == ours | {process.EXIT_AT_ONCE}


def test_events_and_their_fields_are_those_of_the_schema() -> None:
    from livemerc.events import json_schema

    described = dict(re.findall(r"^\| `([a-z.]+)` \| [^|]* \| ([^|]+) \|", README, re.MULTILINE))
    schema = json_schema()
    for kind, reference in schema["discriminator"]["mapping"].items():
        fields = set(schema["$defs"][Path(reference).name]["properties"]) - {"type"}
        assert set(re.findall(r"\w+", re.sub(r"\{[^}]*\}", "", described[kind]))) == fields, kind
