"""`python -m livemerc.dashboard.viewer DIR`: draws the second screen of one browser to whoever started it."""

from __future__ import annotations

import sys
from pathlib import Path

from textual import messages
from textual.drivers.web_driver import WebDriver

from livemerc.dashboard.terminal import spare_the_collector
from livemerc.dashboard.watch_app import WatchApp
from livemerc.errors import EXIT_OK, EXIT_RUNTIME, LivemercError
from livemerc.sessions.follower import Follower
from livemerc.text_safety import plain_text


class ViewerDriver(WebDriver):
    """Leaves when nobody listens any more, because the server has closed its end of the pipe or was killed."""

    gone = False

    def write(self, data: str) -> None:
        if self.gone:
            return
        try:
            super().write(data)
        except OSError:
            self._leave()

    def write_meta(self, data: dict[str, object]) -> None:
        if self.gone:
            return
        try:
            super().write_meta(data)
        except OSError:
            self._leave()

    def run_input_thread(self) -> None:
        super().run_input_thread()
        self._leave()

    def _leave(self) -> None:
        self.gone = True
        self._app.post_message(messages.ExitApp())


VIEWER_ACTIONS = frozenset(
    {
        "leave", "live", "pause", "seek", "speed", "details", "search", "found", "view", "follow", "scroll",
        "unselect", "next_theme", "help", "focus_next", "focus_previous",
    }
)  # fmt: skip
"""What somebody who only has the address may do. Exporting is left out: it can write any file on this machine."""


class ViewerApp(WatchApp):
    """The watcher's screen, for a stranger's keys."""

    ENABLE_COMMAND_PALETTE = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action in VIEWER_ACTIONS and super().check_action(action, parameters)

    def __init__(self, follower: Follower) -> None:
        super().__init__(follower)
        self.driver_class = ViewerDriver


def main(path: Path) -> int:
    """Returns the exit code; says what went wrong in one sentence on standard error."""
    try:
        app = ViewerApp(Follower(path))
    except LivemercError as error:
        print(plain_text(str(error)), file=sys.stderr)
        return error.exit_code
    spare_the_collector()
    app.run()
    if app.return_code not in (0, None):
        print("The screen failed; open it again.", file=sys.stderr)
        return EXIT_RUNTIME
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
