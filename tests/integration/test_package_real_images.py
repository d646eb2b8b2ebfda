"""`make test-images`: images built by buildah, kept in a registry and copied by skopeo, run in a chroot: the real ones.

Needs Debian's buildah, docker-registry, skopeo and mmdebstrap. The base images are made of Debian's packages, unless
VISIONLINE_BASE and VISIONLINE_BUILDER name others. cosign is left out: it is no package of Debian's.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest
from model_packages import MODEL, make_package
from registries import give_database

from mlops.adapters.images.skopeo import open_store
from mlops.config import load_stage
from mlops.context import Context
from mlops.names import APPROVED
from mlops.packaging import Options
from mlops.records import PackageRecord
from mlops.steps.package import package

TOOLS = ("buildah", "docker-registry", "skopeo", "mmdebstrap")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PACKAGES = {"BASE": "python3-minimal,libpython3-stdlib,ca-certificates,libstdc++6", "BUILDER": "python3-pip"}
pytestmark = [
    pytest.mark.skipif(not os.environ.get("VISIONLINE_IMAGES"), reason="minutes: `make test-images`"),
    pytest.mark.skipif(bool(MISSING), reason=f"apt-get install {' '.join(TOOLS)}"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a registry and yield its address."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(folder)}}
    settings = {"version": "0.1", "log": {"level": "error"}, "storage": storage, "http": {"addr": address}}
    (folder / "config.yml").write_text(json.dumps(settings))
    command = ["docker-registry", "serve", str(folder / "config.yml")]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = monotonic() + 30
        while not _answers(address):
            assert monotonic() < deadline, "docker-registry does not answer"
            sleep(0.05)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def bases(registry: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the base images, made of Debian's packages where none are named."""
    return {name: os.environ.get(f"VISIONLINE_{name}") or _made(name, registry, tmp_path_factory) for name in PACKAGES}


def _answers(address: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) == 0


def _made(name: str, registry: str, folders: pytest.TempPathFactory) -> str:
    image, archive = f"{registry}/{name.lower()}:bookworm", folders.mktemp(name) / "root.tar"
    _run("mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES[name]}", "bookworm", str(archive))
    container = _run("buildah", "from", "scratch").strip()
    _run("buildah", "add", container, str(archive), "/")
    _run("buildah", "config", "--env", "PATH=/usr/bin:/bin", container)
    _run("buildah", "commit", "--quiet", "--timestamp", "0", "--tls-verify=false", container, f"docker://{image}")
    _run("buildah", "rm", container)
    return image


def _run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def stages(home: Path, registry: str, bases: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Context]:
    """Return dev and qa, whose images lie in registries apart; version 1 is approved in both."""
    monkeypatch.setenv("VISIONLINE_HOME", str(home))
    if AUTHORITIES.exists():
        monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITIES))
    contexts = {}
    for name in ("dev", "qa"):
        stage = load_stage(name)
        images = replace(stage.images, registry=f"{registry}/{name}")
        contexts[name] = Context(replace(stage, images=images), home / name)
    if not (home / "mlflow.db").exists():
        give_database(home)
        contexts["dev"].registry.register(MODEL, make_package(home / "one"), {})
        for name in contexts:
            contexts["dev"].registry.set_tag(MODEL, 1, name, APPROVED)
    return contexts


def packaged(context: Context, bases: dict[str, str]) -> PackageRecord:
    return package(context, None, Options(bases, ("amd64",)))


def test_what_is_built_is_copied_by_digest_and_runs_without_a_shell(
    stages: dict[str, Context], bases: dict[str, str]
) -> None:
    dev, qa = packaged(stages["dev"], bases), packaged(stages["qa"], bases)
    digests = [{kind: image.partition("@")[2] for kind, image in one.images.items()} for one in (dev, qa)]
    assert digests[0] == digests[1] and all("/qa/" in image for image in qa.images.values())
    names = {one["name"] for one in json.loads(Path(qa.sboms["runtime"]).read_text())["components"]}
    assert {"numpy", "onnxruntime", "av", "uvloop"} <= names
    print({kind: f"{size / 1e6:.2f} MB" for kind, size in qa.bytes.items()})
    with started(qa.images["runtime"]) as container:
        assert "--directory" in _run(*container, "python3", "-m", "serving.endpoint", "--help")
        imports = "import av, httptools, numpy, onnxruntime, orjson, os, simplejpeg, uvloop, serving.worker"
        assert _run(*container, "python3", "-c", f"{imports}; print(os.getuid())").strip() == "10001"
        assert "VISIONLINE_BASE" in os.environ or _has_no_shell(container)


@contextmanager
def started(image: str) -> Iterator[tuple[str, ...]]:
    """Make a container of an image and yield what runs a command in it, as the image's user, with its variables."""
    container = _run("buildah", "from", "--tls-verify=false", image).strip()
    try:
        yield ("buildah", "run", "--isolation", "chroot", container, "--")
    finally:
        _run("buildah", "rm", container)


def _has_no_shell(container: tuple[str, ...]) -> bool:
    found = "import shutil; print([shutil.which(name) for name in ('sh', 'bash', 'dash')])"
    return _run(*container, "python3", "-c", found).strip() == "[None, None, None]"


def test_an_agent_that_has_built_nothing_yet_makes_the_same_digest(
    stages: dict[str, Context], bases: dict[str, str], registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = packaged(stages["dev"], bases)
    driver = json.loads(_run("buildah", "info"))["store"]["GraphDriverName"]
    places = f'graphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n'
    (tmp_path / "storage.conf").write_text(f'[storage]\ndriver = "{driver}"\n{places}')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(tmp_path / "storage.conf"))
    again = replace(stages["dev"].stage, images=replace(stages["dev"].stage.images, registry=f"{registry}/again"))
    context = Context(again, stages["dev"].run)
    stages["dev"].registry.remove_tag(MODEL, 1, "runtime_image")
    stages["dev"].registry.remove_tag(MODEL, 1, "model_image")
    second = packaged(context, bases)
    assert second.images["runtime"].partition("@")[2] == first.images["runtime"].partition("@")[2]
    assert second.images["model"].partition("@")[2] == first.images["model"].partition("@")[2]


def test_tritons_image_is_its_base_our_code_and_packages_for_its_own_python(
    stages: dict[str, Context], bases: dict[str, str]
) -> None:
    stage = stages["dev"].stage
    gpu = replace(stage, target="kubernetes", kubernetes=replace(stage.kubernetes, overlay="gpu"))
    record = packaged(replace(stages["dev"], stage=gpu), bases)
    assert "/dev/triton@sha256:" in record.images["runtime"]
    names = {one["name"] for one in json.loads(Path(record.sboms["runtime"]).read_text())["components"]}
    assert {"numpy", "onnxruntime"} <= names and "av" not in names
    with started(record.images["runtime"]) as container:
        found = "sorted(os.listdir('/app')), glob.glob('/app/site/numpy/_core/*umath*.so'), os.getuid()"
        told = _run(*container, "python3", "-c", f"import glob, os; print({found})")
    assert "['modelpackage', 'serving', 'site']" in told and "cpython-312" in told and "10001" in told


def test_what_is_not_in_a_registry_is_told_from_one_that_does_not_answer(registry: str) -> None:
    from mlops.errors import RegistryError

    store = open_store(load_stage("dev"))
    assert store.manifest(f"{registry}/nobody/nothing:tag") is None
    with pytest.raises(RegistryError, match="refused"):
        store.manifest("127.0.0.1:1/nobody/nothing:tag")
