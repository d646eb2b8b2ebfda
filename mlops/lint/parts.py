"""The parts of an Azure ML file that rules look at: the file itself, and what stands within it under a role of its own.

A pipeline's steps, components that are written where they are used, a sweep's trial and a schedule's job are parts.
A role is a kind of Azure ML's schemas (commandComponent, pipelineJob, ...), or <type>Step, trial or scheduledJob.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops.lint.document import Document, Keys
from mlops.lint.finding import Finding


@dataclass(frozen=True)
class Part:
    """A mapping within a file, the keys that lead to it, and the part that it stands in."""

    document: Document
    keys: Keys
    role: str
    content: Mapping[str, Any]
    parent: Part | None = None

    def finding(self, keys: Keys, text: str, part: str = "") -> Finding:
        """Return a finding at keys of this part, or at a part of their value."""
        return self.document.finding((*self.keys, *keys), text, part)

    def where(self, *keys: str) -> str:
        """Return the dotted name of keys of this part, for messages."""
        return ".".join((*self.keys, *keys))

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Return the mapping under a key; an empty one where something else, or nothing, is there."""
        return as_mapping(self.content.get(key))

    @property
    def is_step(self) -> bool:
        """Tell whether this is a step of a pipeline."""
        return self.role.endswith("Step")


def parts(document: Document) -> Iterator[Part]:
    """Yield the file as a part, and each part within it."""
    yield from _within(Part(document, (), document.kind, document.content))


def steps_of(pipeline: Part) -> dict[str, Part]:
    """Return the steps of a pipeline by name."""
    return {step.keys[-1]: step for step in _children(pipeline) if step.is_step}


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def _within(part: Part) -> Iterator[Part]:
    yield part
    for child in _children(part):
        yield from _within(child)


def _children(part: Part) -> Iterator[Part]:
    for keys, role, content in _inner(part):
        if isinstance(content, Mapping):
            yield Part(part.document, (*part.keys, *keys), role, content, part)


def _inner(part: Part) -> Iterator[tuple[Keys, str, Any]]:
    content = part.content
    for name, step in part.mapping("jobs").items():
        yield ("jobs", name), f"{as_mapping(step).get('type', 'command')}Step", step
    component = content.get("component")
    yield ("component",), f"{as_mapping(component).get('type', content.get('type'))}Component", component
    yield ("trial",), "trial", content.get("trial")
    if part.role == "schedule":
        job = as_mapping(content.get("create_job"))
        yield ("create_job",), "scheduledJob" if "job" in job else f"{job.get('type')}Job", job
