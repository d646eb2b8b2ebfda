"""The command line of an endpoint, which its worker processes are given too. It knows no socket and no model."""

from __future__ import annotations

import argparse
from pathlib import Path

from serving.door import arguments as add_door
from serving.http.limits import MEBIBYTE
from serving.supervisor import default_workers


def endpoint_parser(prog: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of an endpoint's flags."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--directory", type=Path, required=True, help="holds desired.json; server.json is written here")
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--workers", type=int, default=default_workers(), help="processes; default: one a processor")
    parser.add_argument("--models", type=Path, default=None, help="a folder of model packages to follow or load from")
    parser.add_argument("--declare", type=Path, default=None, help="a file like desired.json, declared at the start")
    parser.add_argument("--max-wait", type=float, default=1.0, help="seconds of work that may wait before a request")
    parser.add_argument("--max-body", type=int, default=32 * MEBIBYTE, help="bytes of one request's body")
    parser.add_argument("--tls-certificate", type=Path, default=None, help="PEM file; with --tls-key")
    parser.add_argument("--tls-key", type=Path, default=None, help="PEM file")
    parser.add_argument("--tls-client-ca", type=Path, default=None, help="PEM file: clients need a certificate of it")
    add_door(parser)
    return parser
