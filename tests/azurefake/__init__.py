"""A fake of Azure: an HTTPS proxy on loopback with state, for the unmodified SDK, chosen by environment alone.

`message` is what goes over the wire, `routes` say what answers it, `state` is what it answers from; each other module
is a family of routes. A module of FAMILIES is imported where its file is there.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

FAMILIES = (
    "operations",
    "login",
    "workspaces",
    "datastores",
    "blobs",
    "models",
    "registries",
    "data",
    "environments",
    "codes",
    "computes",
    "components",
    "jobs",
    "history",
    "online",
    "batch",
    "schedules",
    "quota",
    "clusters",
    "imageregistries",
)

for _family in FAMILIES:
    if (Path(__file__).parent / f"{_family}.py").is_file():
        import_module(f"azurefake.{_family}")
