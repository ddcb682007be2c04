"""From the arguments of `serve run` to an application: rooms, recogniser and model, each a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig

from livemerc.config import Config, load_config
from livemerc.errors import ConfigError
from livemerc.server.ray.parts import ModelPart, RecogniserPart
from livemerc.server.ray.rooms import HEALTH_EVERY_S, RoomsPart
from livemerc.server.ray.settings import Settings, settings_of

_SHORTEST_TOKEN = 16


def application(args: Mapping[str, Any]) -> Application:
    """What `serve run` runs. Raises `ConfigError`."""
    settings = settings_of(args)
    config = load_config(None if settings.config is None else Path(settings.config), {"offline": True})
    token = token_of(settings)
    return bound(config, settings, token)


def bound(config: Config, settings: Settings, token: str | None) -> Application:
    """The deployments with their handles."""
    if config.asr.engine == "transcript":
        raise ConfigError("asr.engine: one transcript cannot serve several rooms; take auto, faster-whisper or none.")
    recogniser = None
    if config.asr.engine != "none":
        recogniser = _part(RecogniserPart, "recogniser", settings, settings.most_recognisers).bind(
            config, settings.at_once, settings.gather_ms / 1000
        )
    model = _part(ModelPart, "model", settings, settings.most_models).bind(
        config, settings.at_once, settings.gather_ms / 1000
    )
    rooms = serve.deployment(
        RoomsPart,
        name="rooms",
        max_ongoing_requests=settings.connections,
        max_queued_requests=settings.waiting,
        autoscaling_config=AutoscalingConfig(
            min_replicas=settings.replicas,
            max_replicas=settings.most_replicas,
            initial_replicas=settings.replicas,
            target_ongoing_requests=max(1.0, 0.75 * settings.rooms),
        ),
        ray_actor_options={"num_cpus": settings.cpus},
        health_check_period_s=HEALTH_EVERY_S,
        graceful_shutdown_timeout_s=settings.drain_s,
        graceful_shutdown_wait_loop_s=0.5,
    )
    return rooms.bind(config, settings, token, recogniser, model)


def _part(kind: type[RecogniserPart] | type[ModelPart], name: str, settings: Settings, most: int) -> serve.Deployment:
    return serve.deployment(
        kind,
        name=name,
        max_ongoing_requests=4 * settings.at_once,
        autoscaling_config=AutoscalingConfig(min_replicas=1, max_replicas=most, target_ongoing_requests=settings.queue),
        ray_actor_options={"num_cpus": settings.part_cpus, "num_gpus": settings.part_gpus},
    )


def token_of(settings: Settings) -> str | None:
    """Raises `ConfigError`."""
    token = settings.token
    if token is None:
        return None
    if token.startswith("@"):
        try:
            token = Path(token[1:]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"token {settings.token}: cannot be read ({error}); check the path.") from error
    if len(token) < _SHORTEST_TOKEN:
        raise ConfigError(f"token: at least {_SHORTEST_TOKEN} signs; for instance what `openssl rand -hex 24` prints.")
    return token
