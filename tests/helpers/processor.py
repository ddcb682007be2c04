"""A processor with a recogniser that the test gives."""

from __future__ import annotations

from livemerc.asr.engine import AsrEngine
from livemerc.config import Config
from livemerc.pipeline.loader import load_processor
from livemerc.pipeline.patience import Situation
from livemerc.pipeline.processor import Processor


def processor_with(engine: AsrEngine, config: Config, situation: Situation | None = None) -> Processor:
    """Its model is the configuration's, loaded."""
    return load_processor(config, lambda: engine, situation)
