"""What a cluster of rooms is told: the `args` of `serve run livemerc.server.ray:app`, or of its config file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from livemerc.errors import ConfigError

AtLeastOne = Annotated[int, Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each may be given as text, as `serve run` does."""

    journals: str
    """A folder that every machine sees, on a file system with locks. Rooms are kept there while they run."""
    config: str | None = None
    """TOML file with any setting of livemerc (default: livemerc.toml in the user's configuration folder)."""
    token: str | None = None
    """What clients must know, or @FILE. Without one only this machine gets in."""
    rooms: AtLeastOne = 16
    """Rooms that a replica bears."""
    connections: AtLeastOne = 48
    """Sources and readers that a replica bears: `max_ongoing_requests`. Of what comes beyond that on all replicas,
    as many wait as `waiting` says, and what comes beyond is refused (HTTP 500, 503)."""
    waiting: AtLeastOne = 64
    """`max_queued_requests`. It counts arrivals that are being brought to a free place, too: 1 refuses people although
    places are free."""
    replicas: AtLeastOne = 1
    """Of the rooms, at least."""
    most_replicas: AtLeastOne = 1
    """Of the rooms, at most: another begins where each has more than three quarters of `rooms` connections."""
    most_recognisers: AtLeastOne = 1
    most_models: AtLeastOne = 1
    queue: Annotated[float, Meta(gt=0)] = 2.0
    """Calls under way, each of one or more utterances, beyond which another recogniser or model begins."""
    cpus: Annotated[float, Meta(ge=0)] = 1.0
    """Cores that Ray sets aside for each replica of the rooms."""
    part_cpus: Annotated[float, Meta(ge=0)] = 1.0
    """The same for each recogniser and model."""
    part_gpus: Annotated[float, Meta(ge=0)] = 0.0
    """GPUs for each recogniser and model; 0.5 = both share one."""
    gather_ms: Annotated[float, Meta(ge=0, le=1000)] = 5.0
    """So long an utterance waits for those of other rooms, to pass recogniser or model together."""
    at_once: AtLeastOne = 16
    """Utterances in one pass at most."""
    drain_s: Annotated[float, Meta(ge=10)] = 60.0
    """`graceful_shutdown_timeout_s`: what still is connected then is cut off."""


def settings_of(args: Mapping[str, Any]) -> Settings:
    """Raises `ConfigError` that names the key."""
    if "journals" not in args:
        raise ConfigError(
            "journals: rooms are kept in a folder while they run; give one that every machine sees, for instance "
            "`serve run livemerc.server.ray:app journals=/srv/livemerc`."
        )
    try:
        settings = msgspec.convert(dict(args), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"livemerc.server.ray: {error}; see docs/scale.md.") from error
    if settings.most_replicas < settings.replicas:
        raise ConfigError("most_replicas is less than replicas; give at least as many.")
    if not Path(settings.journals).is_absolute():
        raise ConfigError(f"journals {settings.journals}: replicas begin elsewhere; give the whole path, from /.")
    return settings
