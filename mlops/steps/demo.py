"""Play a model's whole life here: two releases, a canary that fails, a video stream, a rollback, a report."""

from __future__ import annotations

import argparse
import os
import sys
import time

from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context
from mlops.demo.acts import Act, Scene, life
from mlops.demo.progress import Progress
from mlops.demo.scenes import Scenes, clear_stage
from mlops.errors import StepError
from mlops.records import DataRecord, DemoRecord, RollbackRecord, read_record, write_record

HOME = ".visionline/demo"
OUTCOMES = {0: "done", 2: "rejected, as it should be"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The demo takes no flag of its own: it plays the stage files as they stand."""


def run(context: Context, options: argparse.Namespace) -> int:
    """Play the demo in a home of its own, so that nobody's registry or endpoint is touched, and report on it."""
    os.environ.setdefault("VISIONLINE_HOME", HOME)
    play(context, life(context.run.name))
    return main(["report", "--run", context.run.name])


def play(context: Context, acts: list[Act | Scene]) -> DemoRecord:
    """Play the acts in order and write demo.json. Raises StepError where one ends otherwise than it should."""
    started, steps, progress = time.time(), {}, Progress(sys.stdout, len(acts))
    production = Context(load_stage("production"), context.run, progress.say)
    scenes = Scenes(production)
    clear_stage(production.stage.home)
    try:
        for act in acts:
            begun = time.monotonic()
            _play_one(act, scenes, progress)
            steps[act.title] = round(time.monotonic() - begun, 3)
    finally:
        scenes.leave()
    data = read_record(context.run / "v1", "data", DataRecord)
    served = read_record(context.run, "rollback.production", RollbackRecord).served
    demo = DemoRecord(started, steps, round(time.time() - started, 3), served, data.version)
    write_record(context.run, "demo", demo)
    return demo


def _play_one(act: Act | Scene, scenes: Scenes, progress: Progress) -> None:
    progress.begin(act.title)
    if isinstance(act, Scene):
        progress.end(scenes.play(act.name))
        return
    code = main(act.command, progress.say)
    if code != act.expected:
        progress.end(f"FAILED with exit code {code}")
        raise StepError(f"`python -m mlops {' '.join(act.command)}` ended with {code}, not {act.expected}")
    progress.end(OUTCOMES[code])
