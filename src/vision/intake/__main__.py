"""Runs the command line of vision.intake.command."""

from __future__ import annotations

import sys

from vision.intake.command import main

sys.exit(main())
