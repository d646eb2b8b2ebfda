"""An image's files are fetched as a container runtime would: with a login, through redirects, checked by digest."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mlops.oci import write_image
from model_packages import make_package
from modelpackage import open_package, package_digest
from serving.errors import ServingError
from serving.pull import pull

LOGIN = base64.b64encode(b"reader:1234").decode()


class FakeRegistry:
    """A registry of one repository, by an OCI layout on disk, and beside it the storage to which it redirects.

    `spoil` changes what is sent, by path; `login` is what a token costs, `page` what answers then; where it `is_open`,
    nothing is asked for at all.
    """

    def __init__(self, layout: Path) -> None:
        self.layout, self.login = layout, LOGIN
        self.is_open = False
        self.page = b'{"token": "t"}'
        self.spoil: Callable[[str, bytes], bytes] = lambda path, content: content
        self.seen: list[tuple[str, str | None]] = []  # each request's path, and its authorization
        self.storage = self._serve(self._stored)
        self.front = self._serve(self._asked)

    def close(self) -> None:
        """Stop both servers."""
        for server in (self.front, self.storage):
            server.shutdown()
            server.server_close()

    @property
    def host(self) -> str:
        """Return the registry's host and port."""
        return f"127.0.0.1:{self.front.server_port}"

    def _serve(
        self, answer: Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]
    ) -> ThreadingHTTPServer:
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append((self.path, self.headers.get("Authorization")))
                status, headers, content = answer(self)
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _asked(self, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        given = request.headers.get("Authorization")
        if request.path.startswith("/token"):
            return (200, {}, self.page) if given == f"Basic {self.login}" else (401, {}, b"")
        if not self.is_open and given != "Bearer t":
            realm = f'Bearer realm="http://{self.host}/token",service="s",scope="repository:m:pull"'
            return 401, {"WWW-Authenticate": realm}, b""
        if "/blobs/" in request.path:
            return 307, {"Location": f"http://localhost:{self.storage.server_port}{request.path}"}, b""
        return self._stored(request)

    def _stored(self, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        path = self.layout / "blobs" / request.path.rpartition("/")[2].replace(":", "/")
        return (200, {}, self.spoil(request.path, path.read_bytes())) if path.exists() else (404, {}, b"")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a sealed package."""
    return make_package(tmp_path / "package")


@pytest.fixture
def image(tmp_path: Path, package: Path) -> str:
    """Return the digest of the package's image, whose layout lies at `layout`."""
    return write_image(package, ("amd64", "arm64"), {}, tmp_path / "layout")


@pytest.fixture
def registry(tmp_path: Path, image: str) -> Iterator[FakeRegistry]:
    """Run the registry for the length of a test."""
    one = FakeRegistry(tmp_path / "layout")
    yield one
    one.close()


@pytest.fixture
def login(tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file by which this process is logged in."""
    file = tmp_path / "docker" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {registry.host: {"auth": LOGIN}}}), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(file.parent))
    return file


def test_a_package_arrives_as_it_was_sealed(
    tmp_path: Path, package: Path, image: str, registry: FakeRegistry, login: Path
) -> None:
    pull(f"{registry.host}/team/m@{image}", tmp_path / "out")
    assert open_package(tmp_path / "out", package_digest(package)) == open_package(package, package_digest(package))
    pull(f"{registry.host}/team/m@{image}", tmp_path / "out")


def test_the_storage_behind_a_registry_never_sees_the_token(
    tmp_path: Path, image: str, registry: FakeRegistry, login: Path
) -> None:
    pull(f"{registry.host}/team/m@{image}", tmp_path / "out")
    blobs = [authorization for path, authorization in registry.seen if "/blobs/" in path]
    assert blobs == ["Bearer t", None]


def test_an_open_registry_needs_no_login(tmp_path: Path, image: str, registry: FakeRegistry) -> None:
    registry.is_open = True
    pull(f"{registry.host}/team/m@{image}", tmp_path / "out")
    assert (tmp_path / "out" / "release.json").exists()


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_other_bytes_than_the_digest_says_are_refused(
    tmp_path: Path, image: str, registry: FakeRegistry, login: Path, part: str
) -> None:
    registry.spoil = lambda path, content: content + b" " if part in path else content
    with pytest.raises(ServingError, match="other bytes than these"):
        pull(f"{registry.host}/team/m@{image}", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_wrong_login_is_said_and_not_shown(tmp_path: Path, image: str, registry: FakeRegistry, login: Path) -> None:
    registry.login = "another"
    with pytest.raises(ServingError, match="HTTP 401.*login of this registry") as caught:
        pull(f"{registry.host}/team/m@{image}", tmp_path / "out")
    assert LOGIN not in str(caught.value)


def test_a_page_in_place_of_a_token_is_no_token(
    tmp_path: Path, image: str, registry: FakeRegistry, login: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "page", b"<html>")
    with pytest.raises(ServingError, match="cannot be read"):
        pull(f"{registry.host}/team/m@{image}", tmp_path / "out")


def test_an_image_that_is_not_there_is_said(tmp_path: Path, registry: FakeRegistry, login: Path) -> None:
    with pytest.raises(ServingError, match="HTTP 404"):
        pull(f"{registry.host}/team/m@sha256:{'0' * 64}", tmp_path / "out")


@pytest.mark.parametrize("reference", ["team/m:7", "m", "host/m@sha256:12", "host/m:7"])
def test_only_a_digest_names_an_image(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ServingError, match="should be REGISTRY/NAME@sha256:HEX"):
        pull(reference, tmp_path / "out")


def test_a_login_file_that_is_none_is_named(tmp_path: Path, image: str, registry: FakeRegistry, login: Path) -> None:
    login.write_text("[]", encoding="utf-8")
    with pytest.raises(ServingError, match="is no configuration of Docker's"):
        pull(f"{registry.host}/team/m@{image}", tmp_path / "out")
