"""Small pipelines for tests: a folder with a job file, component files, code and an environment, written as YAML."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ENVIRONMENT = "azureml:visionline-tiny:1"


@dataclass(frozen=True)
class Workshop:
    """A folder in which a test makes one pipeline."""

    folder: Path

    @property
    def code(self) -> Path:
        return self.folder / "code"

    @property
    def environments(self) -> Path:
        return self.folder / "environments"

    @property
    def job_file(self) -> Path:
        return self.folder / "job.yml"

    def component(self, name: str, command: str, **more: Any) -> Path:
        """Write a component file. `more` overrides or adds keys; a value of None takes the key away."""
        content = {
            "$schema": "https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json",
            "type": "command",
            "name": name,
            "version": "1",
            "code": "code",
            "environment": ENVIRONMENT,
            "command": command,
            **more,
        }
        return self._write(self.folder / f"{name}.yml", content)

    def job(self, jobs: dict[str, Any], **more: Any) -> Path:
        """Write the job file. A node's type and component (a file that bears the node's name) need not be given."""
        nodes = {name: {"type": "command", "component": f"{name}.yml", **node} for name, node in jobs.items()}
        return self._write(self.job_file, {"type": "pipeline", "jobs": nodes, **more})

    def module(self, name: str, body: str) -> Path:
        """Write a module of the steps' code."""
        path = self.code / f"{name}.py"
        path.write_text(body, encoding="utf-8")
        return path

    def _write(self, path: Path, content: dict[str, Any]) -> Path:
        kept = {key: value for key, value in content.items() if value is not None}
        plain = json.loads(json.dumps(kept))  # no part twice the same object, which YAML would write as an alias
        path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
        return path


def make_workshop(folder: Path) -> Workshop:
    """Return a workshop with a code folder and the environment `tiny`."""
    workshop = Workshop(folder)
    for path in (workshop.code, workshop.environments / "tiny"):
        path.mkdir(parents=True)
    (workshop.environments / "tiny" / "requirements.txt").write_text("tiny==1\n", encoding="utf-8")
    return workshop
