"""The model package: the folder through which training, orchestration and serving meet.

Standard library only, because a CI agent, a training job and an edge device all import it.
"""

from modelpackage.digest import digest_bytes, digest_file, digest_json
from modelpackage.release import (
    PackageError,
    Release,
    is_intact,
    open_package,
    package_digest,
    read_release,
    seal_package,
)

__all__ = [
    "PackageError",
    "Release",
    "digest_bytes",
    "digest_file",
    "digest_json",
    "is_intact",
    "open_package",
    "package_digest",
    "read_release",
    "seal_package",
]
