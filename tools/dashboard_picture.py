"""A picture of the dashboard while the demo runs -> docs/dashboard.svg.

    python tools/dashboard_picture.py [FILE]

The real screen on the real demo with the words of its transcript, as fast as it was spoken: figures of speed are this
machine's. It takes a minute. Nothing in the picture is loaded from elsewhere.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from livemerc.audio.file_source import FileSource
from livemerc.commands.sources import DEMO_FOLDER
from livemerc.config import load_config
from livemerc.dashboard.app import DashboardApp
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recording import RecordingMonitor

SIZE = (120, 36)
UTTERANCES = 15
"""Judged ones that are on the screen; the next one is being said."""
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
GIVE_UP_AFTER_S = 150.0


def without_addresses(svg: str) -> str:
    """Textual's picture with the reader's own font: its font comes from another site. Raises `ValueError`."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", FONTS).replace("font-family: arial", "font-family: sans-serif")
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    found = re.findall(r"(?:https?:)?//[^\s\"')<]+", svg.replace("http://www.w3.org/2000/svg", ""))
    if found:
        raise ValueError(f"the picture still names {found}; mend the replacements.")
    return svg


async def picture() -> str:
    """The screen as SVG, at the first moment at which somebody speaks after `UTTERANCES`."""
    settings = load_config(None, {"asr.engine": "transcript", "asr.transcript": str(DEMO_FOLDER / "demo.vtt")})
    source = FileSource(DEMO_FOLDER / "demo.flac", speed=1.0, block_ms=settings.audio.block_ms, name="demo")
    app = DashboardApp(RecordingMonitor(Monitor(source, settings, demo=True), None))
    taken: list[str] = []

    async def wait(_: object) -> None:
        for _ in range(int(GIVE_UP_AFTER_S / 0.05)):
            if app.failure is not None:
                raise app.failure
            if app.state.judged >= UTTERANCES and app.state.health.speaking:
                await asyncio.sleep(0.3)  # drawn
                taken.append(app.export_screenshot(title="livemerc run --demo"))
                break
            await asyncio.sleep(0.05)
        app.exit(0)

    await app.run_async(headless=True, size=SIZE, auto_pilot=wait)
    source.close()
    if not taken:
        raise RuntimeError(f"no such moment came within {GIVE_UP_AFTER_S:g} s.")
    return without_addresses(taken[0])


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "docs" / "dashboard.svg"
    path.write_text(asyncio.run(picture()), encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")
