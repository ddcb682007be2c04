"""The stages of the recipe, the folders that they leave, and the table of what is trained so far."""

from __future__ import annotations

import json
from pathlib import Path

STAGES = ("pretrain", "text", "speech", "conversation", "fusion")
FOLDERS = {"conversation": ("conversation-text", "conversation-speech")}
"""Folders of a stage, where it has others than one of its own name."""


def summary(out: Path) -> list[str]:
    """What is trained so far: parameters that each stage trains, those frozen below it, and dev weighted F1."""
    records = {
        name: json.loads((out / name / "stage.json").read_text())
        for name in (s for stage in STAGES for s in FOLDERS.get(stage, (stage,)))
        if (out / name / "stage.json").exists()
    }
    trained = {name: record["trained"] for name, record in records.items()}
    front = records.get("speech", {}).get("front_parameters", 0)
    below = {
        "pretrain": 0, "text": 0, "speech": front, "conversation-text": trained.get("text", 0),
        "conversation-speech": front + trained.get("speech", 0),
        "fusion": front + sum(v for k, v in trained.items() if k not in ("pretrain", "fusion")),
    }  # fmt: skip
    lines = [f"{'stage':22}{'trained':>14}{'frozen below':>14}{'dev weighted F1':>17}"]
    for name, record in records.items():
        lines.append(f"{name:22}{trained[name]:>14,}{below[name]:>14,}{record['best']['weighted_f1']:>17.4f}")
    for name, figures in records.get("fusion", {}).get("dev", {}).items():
        lines.append(f"dev, {name:25} weighted F1 {figures['weighted_f1']:.4f}  UAR {figures['uar']:.4f}")
    return lines
