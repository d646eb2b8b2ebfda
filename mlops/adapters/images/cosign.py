"""Signs images by cosign 3, attests their SBOMs, and refuses what is not signed by who the stage file names.

signing: key     images.key is a file of `cosign generate-key-pair` (cosign.key signs, cosign.pub beside it verifies; a
                 CI agent gives the private one in COSIGN_PRIVATE_KEY, its password in COSIGN_PASSWORD) or a key vault's
                 URI, azurekms://VAULT.vault.azure.net/KEY. Nothing is sent to a public log.
signing: keyless who CI says this process is signs; images.identity and images.issuer are who must have signed.

Sources: cosign's doc/cosign_sign.md, cosign_verify.md, cosign_attest.md and exit_codes.go.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlops.adapters.images.tools import must, run
from mlops.config import REPOSITORY, Stage
from mlops.errors import ConfigError, DeployError, JobError, TargetError
from mlops.images import is_plain
from mlops.places import Images

PRIVATE_KEY = "COSIGN_PRIVATE_KEY"
# No signature, no such tag of signatures, none that fits.
REFUSED_CODES = (10, 11, 12)
REFUSED_TEXTS = (
    "no signatures found",
    "no matching",
    "invalid signature",
    "none of the expected identities",
    "mismatch",
)
# A signing configuration without services: what a key of one's own signs goes to no public log.
NO_SERVICES = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}
SIGN_WAY_OUT = "mend images.signing, key or identity of the stage file, or log in"


class Unsigned:
    """Where the stage file says that images are not signed."""

    def sign(self, image: str, sbom: Path) -> bool:
        """Sign nothing, and say so."""
        return False

    def verify(self, image: str) -> None:
        """Ask nothing of an image."""


@dataclass(frozen=True)
class Cosign:
    """Signatures and attestations beside the image, in its registry."""

    images: Images

    def sign(self, image: str, sbom: Path) -> bool:
        """Sign an image and attest its SBOM, unless that was done. Raises JobError."""
        if self._refusal(image) is None:
            return True
        with self._signing() as who:
            flags = ["--yes", *who, *_plain(image)]
            must(
                ["cosign", "attest", *flags, "--type", "cyclonedx", "--predicate", str(sbom), image],
                JobError,
                SIGN_WAY_OUT,
            )
            must(["cosign", "sign", *flags, image], JobError, SIGN_WAY_OUT)
        return True

    def verify(self, image: str) -> None:
        """Raises DeployError where an image is not signed as the stage asks, TargetError where that can't be told."""
        refusal = self._refusal(image)
        if refusal is not None:
            who = self.images.key or self.images.identity
            raise DeployError(f"{image}: is not signed by {who}: {refusal}: run `package` for this stage")

    def _refusal(self, image: str) -> str | None:
        ended = run(["cosign", "verify", *self._trusted(), *_plain(image), image])
        if ended.code == 0:
            return None
        if ended.code in REFUSED_CODES or any(text in ended.complaint.lower() for text in REFUSED_TEXTS):
            return ended.complaint
        raise TargetError(f"{image}: its signature cannot be looked at: {ended.complaint}: log in, and run this again")

    def _trusted(self) -> list[str]:
        if self.images.key is not None:
            return ["--key", _public(self.images.key), "--private-infrastructure"]
        return [
            "--certificate-identity",
            str(self.images.identity),
            "--certificate-oidc-issuer",
            str(self.images.issuer),
        ]

    @contextmanager
    def _signing(self) -> Iterator[list[str]]:
        if self.images.key is None:
            yield []
            return
        with tempfile.TemporaryDirectory() as scratch:
            services = Path(scratch) / "signing-config.json"
            services.write_text(json.dumps(NO_SERVICES), encoding="utf-8")
            yield ["--key", _private(self.images.key), "--signing-config", str(services)]


def open_signer(stage: Stage) -> Cosign:
    """Return who signs for a stage. Raises ConfigError where its file does not say by which key or identity."""
    images, where = stage.images, f"mlops/stages/{stage.name}.yaml: images"
    if images.signing == "key" and not images.key:
        raise ConfigError(f"{where}.key: is not set: name cosign's public key file or a key vault's URI")
    if images.signing == "keyless" and not (images.identity and images.issuer):
        raise ConfigError(f"{where}.identity and issuer: are not set: say whose signature counts")
    return Cosign(images if images.signing == "key" else replace(images, key=None))


def open_unsigned(stage: Stage) -> Unsigned:
    """Return what signs nothing."""
    return Unsigned()


def _public(key: str) -> str:
    return key if "://" in key else str((REPOSITORY / key).with_suffix(".pub"))


def _private(key: str) -> str:
    if "://" in key:
        return key
    return f"env://{PRIVATE_KEY}" if os.environ.get(PRIVATE_KEY) else str((REPOSITORY / key).with_suffix(".key"))


def _plain(image: str) -> list[str]:
    return ["--allow-http-registry", "--allow-insecure-registry"] if is_plain(image) else []
