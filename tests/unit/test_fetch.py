"""vision.fetch: only files that are whole and right are ever taken, from wherever they come."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vision import data
from vision.errors import VisionError
from vision.fetch import fetch, main, sources

REPOSITORY = Path(__file__).resolve().parents[2]
CONTENT = {f"file-{number}-ubyte": bytes([number]) * 5000 for number in range(4)}


@pytest.fixture(autouse=True)
def small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expect four small files instead of the data set's, and find no Debian package on this machine."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(data, "FILES", digests)
    monkeypatch.setattr(data, "DEBIAN_FOLDER", tmp_path / "no-debian-folder")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the right files, compressed."""
    return write_files(tmp_path / "named", compressed=True)


def write_files(folder: Path, compressed: bool) -> Path:
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        path = folder / (f"{name}.gz" if compressed else name)
        path.write_bytes(gzip.compress(content) if compressed else content)
    return folder


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def take(out: Path, folder: Path | None = None, debian: bool = False, url: str | None = None) -> list[str]:
    """Fetch, and return the lines that were reported."""
    lines: list[str] = []
    fetch(out, sources(folder, debian, url, lines.append), lines.append)
    return lines


@pytest.mark.parametrize("compressed", [True, False])
def test_the_same_content_gives_the_same_files_compressed_or_not(tmp_path: Path, compressed: bool) -> None:
    take(tmp_path / "out", folder=write_files(tmp_path / "source", compressed))
    assert read_files(tmp_path / "out") == CONTENT


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-12])


def change(path: Path) -> None:
    path.write_bytes(gzip.compress(b"other content"))


def replace_by_text(path: Path) -> None:
    path.write_text("<html>not found</html>")


@pytest.mark.parametrize("damage", [cut, change, replace_by_text, Path.unlink])
def test_a_wrong_cut_or_absent_file_is_named_and_never_used(
    tmp_path: Path, folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder / "file-2-ubyte.gz")
    with pytest.raises(VisionError, match="file-2-ubyte"):
        take(tmp_path / "out", folder=folder)
    assert not (tmp_path / "out").exists()


def test_a_named_folder_that_is_wrong_is_not_passed_over(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "DEBIAN_FOLDER", write_files(tmp_path / "debian", compressed=True))
    cut(folder / "file-0-ubyte.gz")
    with pytest.raises(VisionError, match="named/file-0-ubyte"):
        take(tmp_path / "out", folder=folder, debian=True)


def test_the_folder_of_debians_package_is_taken_before_anything_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "DEBIAN_FOLDER", write_files(tmp_path / "debian", compressed=True))
    take(tmp_path / "out", debian=True, url="https://127.0.0.1:1/nobody")
    assert read_files(tmp_path / "out") == CONTENT


def test_debians_package_is_fetched_and_unpacked_without_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/usr/bin/dpkg-deb").exists():
        pytest.skip("no dpkg on this machine")
    monkeypatch.setattr(data, "DEBIAN_FOLDER", Path("/usr/share/datasets/not-installed-here"))
    package = build_package(tmp_path / "package")
    apt_get = tmp_path / "bin" / "apt-get"
    apt_get.parent.mkdir()
    apt_get.write_text(f'#!/bin/sh\ntest "$1" = download && cp {package} .\n')
    apt_get.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt_get.parent}:{os.environ['PATH']}")
    take(tmp_path / "out", debian=True)
    assert read_files(tmp_path / "out") == CONTENT


def build_package(folder: Path) -> Path:
    write_files(folder / data.DEBIAN_FOLDER.relative_to("/"), compressed=True)
    control = folder / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text("Package: small\nVersion: 1\nArchitecture: all\nMaintainer: test\nDescription: test\n")
    package = folder.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "--build", str(folder), str(package)], check=True, capture_output=True)
    return package


def test_what_failed_in_each_place_is_told_where_none_has_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get
    monkeypatch.setattr(data, "DEBIAN_FOLDER", write_files(tmp_path / "debian", compressed=True))
    cut(tmp_path / "debian" / "file-1-ubyte.gz")
    with pytest.raises(VisionError, match="file-1-ubyte.gz: is cut.*127.0.0.1:1.*cannot be fetched.*give --folder"):
        take(tmp_path / "out", debian=True, url="https://127.0.0.1:1")


def test_a_complete_folder_is_reused_and_says_so(tmp_path: Path, folder: Path) -> None:
    take(tmp_path / "out", folder=folder)
    lines = take(tmp_path / "out", folder=tmp_path / "gone")
    assert "reused" in lines[-1]


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_a_damaged_output_is_named_and_not_reused(tmp_path: Path, folder: Path, damage: Callable[[Path], None]) -> None:
    take(tmp_path / "out", folder=folder)
    damage(tmp_path / "out" / "file-3-ubyte")
    with pytest.raises(VisionError, match="out/file-3-ubyte.*remove the folder"):
        take(tmp_path / "out", folder=folder)


def test_a_killed_fetch_leaves_nothing_that_the_next_takes_for_good(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "out"
    script = f"""
import os, signal
from pathlib import Path
from vision import data, fetch
data.FILES = {data.FILES!r}
os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
fetch.fetch(Path({str(out)!r}), fetch.sources(Path({str(folder)!r}), False, None))
"""
    killed = subprocess.run([sys.executable, "-S", "-c", script], env={"PYTHONPATH": str(REPOSITORY / "src")})
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    take(out, folder=folder)
    assert read_files(out) == CONTENT


def test_it_runs_with_the_standard_library_alone() -> None:
    command = [sys.executable, "-S", "-m", "vision.fetch", "--help"]  # -S: no site-packages
    result = subprocess.run(command, env={"PYTHONPATH": str(REPOSITORY / "src")}, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--out", str(tmp_path / "out"), "--no-debian", "--url", "http://example.org/"])
    assert code == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: --url http://example.org/: only https:// is taken: give such a URL"
    ]


class Mirror(BaseHTTPRequestHandler):
    """Serves CONTENT: plain under /plain, compressed under /packed, cut under /cut; /away redirects to plain http."""

    def do_GET(self) -> None:
        kind, name = self.path.strip("/").split("/")
        content = CONTENT[name.removesuffix(".gz")]
        if kind == "away":
            self.answer(302, b"", Location=f"http://127.0.0.1:1/{name}")
        elif kind == "plain":
            self.answer(404, b"") if name.endswith(".gz") else self.answer(200, content)
        else:
            packed = gzip.compress(content)
            self.answer(200, packed[:-9] if kind == "cut" else packed, **{"Content-Length": str(len(packed))})

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with a certificate of its own, which this process trusts."""
    certificate = make_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def make_certificate(path: Path) -> Path:
    """Write a key and a self-signed certificate for 127.0.0.1 into one file."""
    if not Path("/usr/bin/openssl").exists():
        pytest.skip("no openssl on this machine to make a certificate with")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    key = path.with_suffix(".key")
    command = ["openssl", "req", "-x509", *kind, *names, "-keyout", str(key), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(key.read_text() + path.read_text())
    return path


@pytest.mark.parametrize("kind", ["plain", "packed"])
def test_files_come_over_https_compressed_or_not(tmp_path: Path, mirror: str, kind: str) -> None:
    take(tmp_path / "out", url=f"{mirror}/{kind}/")
    assert read_files(tmp_path / "out") == CONTENT


@pytest.mark.parametrize("kind, reason", [("cut", "file-0-ubyte.gz"), ("away", "unknown url type: http")])
def test_a_cut_download_or_one_led_away_from_https_is_never_used(
    tmp_path: Path, mirror: str, kind: str, reason: str
) -> None:
    with pytest.raises(VisionError, match=reason):
        take(tmp_path / "out", url=f"{mirror}/{kind}")
    assert list(tmp_path.glob("*out*")) == []
