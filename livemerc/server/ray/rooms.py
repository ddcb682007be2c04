"""Rooms as a deployment: each replica is a whole server of rooms behind a relay, which Ray's proxies reach."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import ray.util
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from livemerc.asr.engine import AsrEngine, NoAsr
from livemerc.config import Config
from livemerc.errors import LivemercError, say
from livemerc.server.app import Address, RoomServer
from livemerc.server.door import Door
from livemerc.server.journals import Journals
from livemerc.server.limits import Limits
from livemerc.server.ray.remote import RemoteEngine, remote_parts
from livemerc.server.ray.settings import Settings
from livemerc.server.relay import Relay, secret_of

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

HEALTH_EVERY_S = 1.0
"""How often the controller asks whether a replica is well."""
_FORGOTTEN_AFTER_S = 4.0
"""A replica that it has not asked for so long, while one of its kind is being stopped, is that one."""
_STOPPING = "STOPPING"
_READY_WITHIN_S = 120.0


@serve.ingress()
class RoomsPart:
    """One replica. token: as `Door` takes it."""

    def __init__(
        self,
        config: Config,
        settings: Settings,
        token: str | None,
        recogniser: DeploymentHandle | None,
        model: DeploymentHandle,
    ) -> None:
        self._config, self._settings = config, settings
        self._recogniser, self._model = recogniser, model
        journals = Path(settings.journals)
        secret = secret_of(journals)
        address = Address(host=ray.util.get_node_ip_address(), port=0, token=secret)
        self._relay = Relay(
            Door(token, "127.0.0.1", settings.connections), secret, self._journals, self._begin, self._end
        )
        self._address = address
        self._server: RoomServer
        self._asked_s = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    def __serve_build_asgi_app__(self) -> Relay:
        """For `serve.ingress`."""
        return self._relay

    async def check_health(self) -> None:
        """Raises where the replica is to be replaced. The controller asks all but those that it is stopping."""
        self._asked_s = time.monotonic()
        if self._relay.draining:
            raise LivemercError("this replica has handed its rooms over; another is to take its place.")
        for task in self._tasks:
            if task.done():
                task.result()
                raise LivemercError("the server of this replica has ended.")

    # -- with the replica --------------------------------------------------------------------------------------------

    def _journals(self) -> Journals:
        journals = self._server.rooms.journals
        assert journals is not None
        return journals

    async def _begin(self) -> None:
        engine: AsrEngine = NoAsr()
        if self._recogniser is not None:
            engine = remote = await asyncio.to_thread(RemoteEngine, self._recogniser)
            for sentence in remote.said:
                say(sentence)
        limits = Limits(rooms=self._settings.rooms, connections=4 * self._settings.connections)
        self._server = RoomServer(
            self._config, self._address, limits, engine=engine, bring_parts=lambda: remote_parts(self._model),
            journals=Path(self._settings.journals),
        )  # fmt: skip
        ready = asyncio.Event()
        running = asyncio.create_task(self._server.run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        async with asyncio.timeout(_READY_WITHIN_S):
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            waiting.cancel()
            running.result()
        self._tasks = [running, asyncio.create_task(self._watch())]

    async def _end(self) -> None:
        running, watching = self._tasks
        self._tasks = []
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        self._server.stop()
        await running

    async def _watch(self) -> None:
        """Hands everything over as soon as the replica is being stopped. Nobody tells it so: Ray first waits until the
        last connection has gone, and cuts off what is left after `drain_s`."""
        while not await self._is_stopping():
            await asyncio.sleep(HEALTH_EVERY_S / 2)
        self._relay.drain()
        await self._server.hand_over()
        while True:
            await asyncio.sleep(3600.0)

    async def _is_stopping(self) -> bool:
        if time.monotonic() - self._asked_s < _FORGOTTEN_AFTER_S:
            return False
        here = serve.get_replica_context()
        try:
            status = await asyncio.to_thread(serve.status)
        except (RayError, RayServeException):
            return False  # nobody asks because the controller is away
        application = status.applications.get(here.app_name)
        deployment = None if application is None else application.deployments.get(here.deployment)
        stopping = 0 if deployment is None else deployment.replica_states.get(_STOPPING, 0)
        gone = deployment is None
        forgotten = time.monotonic() - self._asked_s >= _FORGOTTEN_AFTER_S  # still, now that it has answered
        return forgotten and (gone or stopping > 0)
