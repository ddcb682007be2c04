"""Which recipe a configuration is for: each has a room with its `recipe.train` and `export.export_run`."""

from __future__ import annotations

from pathlib import Path

from livemerc.errors import ConfigError
from livemerc.model.checkpoint import Manifest
from livemerc.toml_file import read_toml
from trainer.loop.options import TrainOptions


def read_recipe(path: Path) -> str:
    """The recipe that a configuration is for: "merits-l", or "compact" where it names none. Raises `ConfigError`."""
    recipe = read_toml(path, "name a file of configs/").get("recipe", "compact")
    if recipe not in ("compact", "merits-l"):
        raise ConfigError(f'{path}: recipe {recipe!r} is unknown; it is "merits-l", or left out for the compact model.')
    return str(recipe)


def train(config: Path, data: Path, out: Path, options: TrainOptions) -> None:
    """Trains the chosen stages of the configuration's recipe. Raises the errors of `livemerc.errors`."""
    if options.resume and options.overwrite:
        raise ConfigError("--resume and --overwrite contradict each other; give one of them.")
    if options.max_steps is not None and options.max_steps < 1:
        raise ConfigError("--max-steps must be 1 or more.")
    if read_recipe(config) == "merits-l":
        from trainer.merits_l import recipe as merits_l

        merits_l.train(config, data, out, options)
    else:
        from trainer.compact import recipe as compact

        compact.train(config, data, out, options)


def export_run(config: Path, runs: Path, out: Path, name: str) -> Manifest:
    """Finished runs of either recipe -> a checkpoint folder. Raises `ConfigError` where a stage is missing."""
    if read_recipe(config) == "merits-l":
        from trainer.merits_l import export as merits_l

        return merits_l.export_run(config, runs, out, name)
    from trainer.compact import export as compact

    return compact.export_run(config, runs, out, name)
