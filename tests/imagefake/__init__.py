"""Executables that stand for buildah, docker, skopeo and cosign: they write down how they were called, and behave.

`tools` is the fixture; tests/imagefake/tool.py is what each of them runs. Registries are folders: images are stored as
what they are, by digest, so that what is copied, signed or gone is seen. A flag that the real tool does not have is
refused by its stand-in, as far as ours are known.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("buildah", "docker", "skopeo", "cosign")
TOOL = Path(__file__).with_name("tool.py")
BASES = (
    ("docker.io/library/python", "3.11-slim-bookworm"),
    ("docker.io/library/python", "3.12-slim-bookworm"),
    ("nvcr.io/nvidia/tritonserver", "25.08-py3"),
)


@dataclass(frozen=True)
class Tools:
    """The folder of the stand-ins' state."""

    home: Path

    def calls(self, tool: str = "", verb: str = "") -> list[list[str]]:
        """Return how the tools were called, oldest first: each as its name and its arguments."""
        path = self.home / "calls.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [call for call in found if call[0].startswith(tool) and (not verb or verb in call[1:4])]

    def builds(self) -> list[list[str]]:
        """Return the calls that built an image."""
        return self.calls("buildah", "build") + self.calls("docker", "build")

    def fail(self, tool: str, verb: str, complaint: str, code: int = 1) -> None:
        """Let a tool's verb fail from now on, complaining on stderr."""
        path = self.home / "faults.json"
        faults = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**faults, f"{tool} {verb}": [complaint, code]}), encoding="utf-8")

    def mend(self) -> None:
        """Let all tools work again."""
        (self.home / "faults.json").unlink(missing_ok=True)

    def repository(self, repository: str) -> Path:
        """Return the folder of a repository: blobs/, tags/ and signatures/."""
        return self.home / "registries" / repository.replace(":", "_")

    def forget(self, repository: str) -> None:
        """Let a registry lose a repository."""
        shutil.rmtree(self.repository(repository))

    def signature(self, repository: str, digest: str) -> dict[str, str]:
        """Return what was signed and attested of an image; empty where nothing was."""
        path = self.repository(repository) / "signatures" / digest.replace(":", "-")
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Put the stand-ins, and nothing else, on PATH, with the images that a Dockerfile stands on by itself."""
    folder, home = tmp_path / "bin", tmp_path / "tools"
    folder.mkdir()
    home.mkdir()
    for name in NAMES:
        (folder / name).write_text(f"#!{sys.executable} -ISB\n{TOOL.read_text(encoding='utf-8')}", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("IMAGE_TOOLS", str(home))
    for name in ("COSIGN_PRIVATE_KEY", "COSIGN_IDENTITY", "PIP_CONFIG_FILE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    made = Tools(home)
    for repository, tag in BASES:
        put(made, repository, tag, b"base")
    return made


def put(tools: Tools, repository: str, tag: str, content: bytes) -> str:
    """Put something that has a digest at a tag of a registry, and return the digest."""
    from modelpackage import digest_bytes

    folder, digest = tools.repository(repository), digest_bytes(content)
    for place in ("blobs", "tags"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / "blobs" / digest.removeprefix("sha256:")).write_bytes(content)
    (folder / "tags" / tag).write_text(digest, encoding="utf-8")
    return digest
