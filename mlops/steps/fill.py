"""Write what infrastructure's outputs say into a stage file, and show what CI's environment has to hold."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from mlops.config import Stage, load_stage, stages_folder
from mlops.context import Context
from mlops.errors import ConfigError
from mlops.infra.outputs import CI_VARIABLES, NUMBERS, STAGE_KEYS, read_outputs, unknown
from mlops.infra.stagetext import Value, with_values
from mlops.loading import write_text
from mlops.records import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the outputs stand."""
    told = "what `terraform output -json` or `az deployment sub show` printed"
    parser.add_argument("--outputs", type=Path, required=True, metavar="FILE", help=told)


def run(context: Context, options: argparse.Namespace) -> int:
    """Set the values in the stage's own file. Raises ConfigError on outputs or a stage file that don't do."""
    outputs = read_outputs(options.outputs)
    path = stages_folder() / f"{context.stage.name}.yaml"
    before = path.read_text(encoding="utf-8")
    after = with_values(before, stage_values(outputs, context.stage), str(path))
    if after != before:
        write_text(path, after)
        load_stage(context.stage.name)
    context.report(f"{path}: {'written' if after != before else 'says all of that already'}")
    for output, variable in CI_VARIABLES.items():
        if output in outputs:
            context.report(f"CI, environment {context.stage.name}: {variable}={outputs[output]}")
    if unknown(outputs):
        context.report(f"not used: {', '.join(unknown(outputs))}")
    return Outcome.PROMOTE


def stage_values(outputs: Mapping[str, str], stage: Stage) -> dict[tuple[str, ...], Value]:
    """Return a stage file's values by key. The path that follows a registry's host in the stage file stays.

    Raises ConfigError on an output that spans lines, or is no number where one is due.
    """
    values = {key: _value(name, outputs[name]) for name, key in STAGE_KEYS.items() if name in outputs}
    host = outputs.get("image_registry")
    if host:
        values[STAGE_KEYS["image_registry"]] = "/".join([host, *stage.images.registry.split("/")[1:]])
    return values


def _value(name: str, text: str) -> Value:
    if not text.isprintable():
        raise ConfigError(f"output {name}: is not one line of text: look at what was deployed")
    if name not in NUMBERS:
        return text
    if not (text.isdecimal() or text in ("true", "false")):
        raise ConfigError(f"output {name}: should be a number, true or false, is '{text}': look at what was deployed")
    value: Value = json.loads(text)
    return value
