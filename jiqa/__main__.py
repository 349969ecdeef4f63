"""Runs the command: `python -m jiqa`."""

import sys

from jiqa.cli import main

sys.exit(main())
