"""Rooms on a Ray cluster: `serve run livemerc.server.ray:app journals=/srv/livemerc` (docs/scale.md).

Needs the extra: `pip install 'livemerc[ray]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from livemerc.errors import ConfigError

if TYPE_CHECKING:
    from ray.serve import Application


def app(args: dict[str, str]) -> Application:
    """The application, for `serve run` and `serve deploy`. args: `livemerc.server.ray.settings.Settings` by name.

    Raises `ConfigError` that names the key, or says that Ray is not there.
    """
    try:
        from livemerc.server.ray.build import application
    except ImportError as error:
        raise ConfigError(f"Ray cannot be loaded ({error}); run `pip install 'livemerc[ray]'`.") from error
    return application(args)
