"""What each stand-in runs, by the name it is called by: buildah, docker, skopeo or cosign. Standard library only."""

import hashlib
import json
import os
import pathlib
import sys

HOME = pathlib.Path(os.environ["IMAGE_TOOLS"])
NAME, WORDS = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
# The flags that we use, as the tools' own manuals name them; True: takes a value in the next word.
FLAGS = {
    "buildah build": {
        **dict.fromkeys(("--isolation", "--timestamp", "--format", "--platform", "--manifest", "--file"), True),
        **dict.fromkeys(("--build-arg", "--secret"), True),
        **dict.fromkeys(("--layers", "--tls-verify"), False),
    },
    "buildah manifest": {"--all": False},
    "docker buildx": {
        **dict.fromkeys(("--output", "--platform", "--file", "--build-arg", "--secret"), True),
        **dict.fromkeys(("--provenance", "--sbom"), False),
    },
    "skopeo inspect": {"--raw": False, "--tls-verify": False},
    "skopeo copy": dict.fromkeys(
        ("--quiet", "--all", "--preserve-digests", "--src-tls-verify", "--dest-tls-verify"), False
    ),
    "cosign sign": {"--yes": False, "--key": True, "--signing-config": True},
    "cosign attest": {"--yes": False, "--key": True, "--signing-config": True, "--type": True, "--predicate": True},
    "cosign verify": {
        **dict.fromkeys(("--key", "--certificate-identity", "--certificate-oidc-issuer"), True),
        "--private-infrastructure": False,
    },
}
PLAIN = {"--allow-http-registry": False, "--allow-insecure-registry": False}


def fail(complaint, code=1):
    """End as a tool does that can't."""
    print(complaint, file=sys.stderr)
    sys.exit(code)


def parse(words, known):
    """Return the values of each flag, and what is no flag. A flag that is not known ends the tool."""
    flags, plain, left = {}, [], list(words)
    while left:
        word = left.pop(0)
        name, _, value = word.partition("=")
        if not word.startswith("-"):
            plain.append(word)
        elif name not in known:
            fail(f"Error: unknown flag: {name}")
        else:
            flags.setdefault(name, []).append(left.pop(0) if known[name] else value)
    return flags, plain


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def split(reference):
    """Return the folder of a reference's repository, and its digest, None where nothing is there."""
    repository, at, found = reference.removeprefix("docker://").partition("@")
    tag = ""
    if not at:
        repository, _, tag = repository.rpartition(":")
    folder = HOME / "registries" / repository.replace(":", "_")
    if tag and (folder / "tags" / tag).exists():
        found = (folder / "tags" / tag).read_text()
    there = found and (folder / "blobs" / found[7:]).exists()
    return folder, found if there else None, tag


def reachable(read, start):
    """Yield the digests of an image's index, manifests, configs and layers."""
    yield start
    content = json.loads(read(start))
    for one in content.get("manifests", []):
        yield from reachable(read, one["digest"])
    for one in [content["config"], *content["layers"]] if "layers" in content else []:
        yield one["digest"]


def skopeo(verb, words):
    flags, plain = parse(words, FLAGS[f"skopeo {verb}"])
    source, found, _ = (None, None, "") if plain[0].startswith("oci:") else split(plain[0])
    if verb == "inspect":
        if not found:
            fail(f"Error: reading manifest: manifest unknown in {plain[0]}")
        sys.stdout.buffer.write((source / "blobs" / found[7:]).read_bytes())
        return
    if plain[0].startswith("oci:"):
        layout = pathlib.Path(plain[0][4:])
        found = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
        source = layout / "blobs" / "sha256"
    elif found:
        source = source / "blobs"
    else:
        fail(f"Error: reading manifest: manifest unknown in {plain[0]}")
    move(source, found, plain[1])


def move(source, found, place):
    """Put an image where it shall lie: into a layout, or into a repository."""
    read = lambda one: (source / one[7:]).read_bytes()  # noqa: E731
    if place.startswith("oci:"):
        layout = pathlib.Path(place[4:])
        target = layout / "blobs" / "sha256"
    else:
        folder, _, tag = split(place)
        target = folder / "blobs"
        (folder / "tags").mkdir(parents=True, exist_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    for one in reachable(read, found):
        (target / one[7:]).write_bytes(read(one))
    if place.startswith("oci:"):
        (layout / "index.json").write_text(json.dumps({"manifests": [{"digest": found}]}))
    else:
        (folder / "tags" / tag).write_text(found)


def build(context, platforms, arguments, layout):
    """Write a layout: of each architecture a layer of the base, one of the packages, one of the code."""
    base = dict(one.split("=", 1) for one in arguments)["BASE"]
    packages = {"app/site/numpy-2.4.6.dist-info/METADATA": b"Name: numpy\nVersion: 2.4.6\nLicense-Expression: MIT\n"}
    status = b"Package: libc6\nStatus: install ok installed\nVersion: 2.36\n\nPackage: gone\nStatus: deinstall ok\n"
    code = {f"app/{one.relative_to(context / 'src')}": one.read_bytes() for one in (context / "src").rglob("*.py")}
    layers = [{"base": base.encode(), "var/lib/dpkg/status": status}, packages, code]
    manifests = []
    for platform in platforms.split(","):
        system, machine = platform.split("/")
        described = [put(layout, tar(files), "application/vnd.oci.image.layer.v1.tar") for files in layers]
        config = {"architecture": machine, "os": system, "rootfs": {"diff_ids": [one["digest"] for one in described]}}
        content = {"config": put(layout, encoded(config), "config"), "layers": described}
        manifests.append(put(layout, encoded(content), "application/vnd.oci.image.manifest.v1+json"))
    index = {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    (layout / "index.json").write_bytes(encoded({"manifests": [put(layout, encoded(index), index["mediaType"])]}))


def tar(files):
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def put(layout, content, kind):
    path = layout / "blobs" / "sha256" / digest(content)[7:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}


def encoded(value):
    return json.dumps(value, sort_keys=True).encode()


def buildah(verb, words):
    import shutil

    local = HOME / "local"
    if verb == "build":
        flags, plain = parse(words, FLAGS["buildah build"])
        build(pathlib.Path(plain[0]), flags["--platform"][0], flags["--build-arg"], local)
    elif words[0] == "push":
        flags, plain = parse(words[1:], FLAGS["buildah manifest"])
        shutil.copytree(local, plain[1][4:])
    else:
        shutil.rmtree(local, ignore_errors=True)


def docker(verb, words):
    flags, plain = parse(words[1:], FLAGS["docker buildx"])
    output = dict(one.split("=") for one in flags["--output"][0].split(","))
    if os.environ.get("SOURCE_DATE_EPOCH") != "0" or output["type"] != "oci":
        fail("ERROR: this build is not the same each time")
    build(pathlib.Path(plain[0]), flags["--platform"][0], flags["--build-arg"], pathlib.Path(output["dest"]))


def signer(flags):
    """Return who a private or public key belongs to: the stand-in's keys hold a name after private: or public:."""
    if "--key" not in flags:
        return os.environ.get("COSIGN_IDENTITY", "")
    key = flags["--key"][0]
    if "://" in key:
        return os.environ[key.removeprefix("env://")].partition(":")[2] if key.startswith("env://") else key
    return pathlib.Path(key).read_text().strip().partition(":")[2]


def cosign(verb, words):
    flags, plain = parse(words, {**FLAGS[f"cosign {verb}"], **PLAIN})
    folder, found, _ = split(plain[0])
    path = folder / "signatures" / (found or "").replace(":", "-")
    known = json.loads(path.read_text()) if path.is_file() else {}
    if not found:
        fail("Error: MANIFEST_UNKNOWN: manifest unknown")
    if verb == "verify":
        if "signed by" not in known:
            fail("Error: no signatures found", 10)
        wanted = flags["--certificate-identity"][0] if "--certificate-identity" in flags else signer(flags)
        if known["signed by"] != wanted:
            fail("Error: no matching signatures: invalid signature when validating ASN.1 encoded signature", 12)
        return
    name = "signed by" if verb == "sign" else "attested"
    known[name] = signer(flags) if verb == "sign" else pathlib.Path(flags["--predicate"][0]).read_text()
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(known))


with (HOME / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps([NAME, *WORDS]) + "\n")
FAULTS = json.loads((HOME / "faults.json").read_text()) if (HOME / "faults.json").exists() else {}
if f"{NAME} {WORDS[0]}" in FAULTS:
    fail(*FAULTS[f"{NAME} {WORDS[0]}"])
globals()[NAME](WORDS[0], WORDS[1:])
