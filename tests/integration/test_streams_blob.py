"""Captured frames reach Azure Blob Storage, as Azurite 3.35.0 speaks it: let in by a SAS or by a connection string.

Azurite is not a Python package: `npm install azurite@3.35.0`, and its node_modules/.bin on the PATH, let these run.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_packages import declared, make_package
from running_endpoint import wait_for
from serving.errors import ServingError
from serving.model import Model, load_model
from serving.streams.capture import Capture
from serving.streams.config import CaptureConfig

ACCOUNT = "edgesite"
VARIABLES = ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN")
UNSURE = np.array([0.3, 0.45, 0.25], np.float32)
FRAME = np.full((48, 64, 3), (200, 30, 30), np.uint8)


class Storage:
    """A running Azurite with one container."""

    def __init__(self, folder: Path) -> None:
        """Start it and wait until it listens."""
        from azure.storage.blob import BlobServiceClient

        self.key = base64.b64encode(os.urandom(32)).decode()
        line = ["azurite-blob", "--blobPort", "0", "--location", str(folder), "--skipApiVersionCheck"]
        told = (folder / "told").open("wb")
        environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"}
        self.process = subprocess.Popen(line, env=environment, stdout=told, stderr=subprocess.STDOUT)
        listens = re.compile(r"listens on (http://\S+)")
        found = wait_for(lambda: listens.search((folder / "told").read_text()))
        self.url = f"{found[1]}/{ACCOUNT}/frames"
        self.connection = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint={found[1]}/{ACCOUNT};"
        )
        self.container = BlobServiceClient.from_connection_string(self.connection).create_container("frames")

    def sas(self) -> str:
        """Return a token that may add blobs to the container, and nothing else."""
        from azure.storage.blob import generate_container_sas

        end = datetime.now(UTC) + timedelta(hours=1)
        return generate_container_sas(ACCOUNT, "frames", account_key=self.key, permission="cw", expiry=end)

    def blobs(self) -> dict[str, bytes]:
        """Return all blobs by name."""
        return {name: self.container.download_blob(name).readall() for name in self.container.list_blob_names()}


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """Return a storage of one's own."""
    if shutil.which("azurite-blob") is None:
        pytest.skip("azurite-blob is not on the PATH: npm install azurite@3.35.0")
    storage = Storage(tmp_path)
    yield storage
    storage.process.kill()
    storage.process.wait()


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Return a small model."""
    package = make_package(tmp_path / "package")
    return load_model(package, declared(package)["digest"], "int8")


def keep_one(to: str, model: Model) -> dict[str, Any]:
    """Offer one frame, and return the counters when it is written, or is not."""
    keeper = Capture(CaptureConfig(to, random=0.0), model)
    keeper.offer("gate-1", FRAME, UNSURE)
    keeper.close()
    return keeper.counters()


@pytest.mark.parametrize("way", ["in the URL", *VARIABLES])
def test_a_frame_and_what_was_said_of_it_are_uploaded(
    storage: Storage, model: Model, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    if way in VARIABLES:
        monkeypatch.setenv(way, storage.connection if "CONNECTION" in way else storage.sas())
    url = storage.url if way in VARIABLES else f"{storage.url}?{storage.sas()}"
    assert keep_one(url, model)["low_confidence"] == 1
    picture, sidecar = sorted(storage.blobs().items(), key=lambda item: item[0].rpartition(".")[2] == "json")
    assert picture[0].removesuffix(".jpg") == sidecar[0].removesuffix(".json")
    assert picture[1].startswith(b"\xff\xd8") and json.loads(sidecar[1])["stream"] == "gate-1"
    kind = storage.container.get_blob_client(picture[0]).get_blob_properties().content_settings.content_type
    assert kind == "image/jpeg"


def test_a_token_that_does_not_let_in_is_counted(storage: Storage, model: Model) -> None:
    assert keep_one(f"{storage.url}?{storage.sas()[:-8]}AAAAAAA%3D", model)["write_failures"] == 1
    assert storage.blobs() == {}


def test_a_connection_string_that_is_none_is_told_at_the_start(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "nonsense=secret")
    monkeypatch.delenv("AZURE_STORAGE_SAS_TOKEN", raising=False)
    with pytest.raises(ServingError, match="capture: to: x.blob.core.windows.net: ") as caught:
        Capture(CaptureConfig("https://x.blob.core.windows.net/frames"), model)
    assert "secret" not in str(caught.value)


def test_a_connection_string_of_another_account_is_told_at_the_start(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "DefaultEndpointsProtocol=https;AccountName=other;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", other)
    monkeypatch.delenv("AZURE_STORAGE_SAS_TOKEN", raising=False)
    with pytest.raises(ServingError, match="capture: to: x.blob.core.windows.net: .* is of another account"):
        Capture(CaptureConfig("https://x.blob.core.windows.net/frames"), model)
    Capture(CaptureConfig("https://other.blob.core.windows.net/frames/"), model).close()


@pytest.fixture
def nothing_lets_in(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a container, with no token or connection string for any."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return "https://x.blob.core.windows.net/frames"


def test_where_nothing_else_lets_in_the_identity_may(model: Model, nothing_lets_in: str) -> None:
    pytest.importorskip("azure.identity")
    Capture(CaptureConfig(nothing_lets_in), model).close()


def test_where_nothing_lets_in_that_is_told_at_the_start(
    model: Model, nothing_lets_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(ServingError, match="nothing lets in: .* or install azure-identity"):
        Capture(CaptureConfig(nothing_lets_in), model)
