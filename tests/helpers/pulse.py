"""A private PulseAudio with a null sink: what `play` plays into it, sounddevice hears as its default input."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

SINK = "fakemic"
_ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"


def missing_for_pulse() -> str | None:
    """Why the microphone path cannot be tried on this machine; None = it can."""
    import ctypes.util

    tools = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
    if tools:
        return f"{', '.join(tools)} not installed (pulseaudio, pulseaudio-utils)"
    if ctypes.util.find_library("portaudio") is None:
        return "PortAudio not installed (libportaudio2)"
    plugins = list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
    return None if plugins else "ALSA's PulseAudio plugin not installed (libasound2-plugins)"


class PulseServer:
    """Its own HOME and runtime folder under `folder`; `env` is the environment for whoever shall hear it.

    The monitor of the null sink delivers no samples at all while nothing plays.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        # a socket's path must be shorter than 108 bytes, and pytest's folders may not be
        self.runtime = Path(os.path.realpath("/tmp")) / f"livemerc-pulse-{os.getpid()}-{time.monotonic_ns():x}"
        self.home.mkdir(parents=True)
        self.runtime.mkdir(mode=0o700)
        (self.home / ".asoundrc").write_text(_ASOUNDRC)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PULSE_", "XDG_", "DBUS_"))}
        self.env = kept | {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime)}

    def start(self) -> PulseServer:
        with (self.home / "pulse.log").open("wb") as log:
            self.process = subprocess.Popen(
                ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
                 "-L", "module-native-protocol-unix", "-L", f"module-null-sink sink_name={SINK}"],
                env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 60.0
        while subprocess.run(["pactl", "info"], env=self.env, capture_output=True, check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"pulseaudio did not start: {(self.home / 'pulse.log').read_text()}")
            time.sleep(0.1)
        self._run("pactl", "set-default-source", f"{SINK}.monitor")
        return self

    def play(self, wav: Path, sink: str = SINK) -> subprocess.Popen[bytes]:
        """Plays in the background; wait for the process, or end it."""
        return subprocess.Popen(["paplay", f"--device={sink}", str(wav)], env=self.env)

    def pactl(self, *command: str) -> str:
        """What it prints."""
        return self._run("pactl", *command)

    def _run(self, *command: str) -> str:
        return subprocess.run(command, env=self.env, check=True, capture_output=True, timeout=60, text=True).stdout

    def kill(self) -> None:
        """The server goes, as in a crash; `start` brings it back."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.runtime, ignore_errors=True)
