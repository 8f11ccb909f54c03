#!/usr/bin/env python3
"""Build census.db from the official publications, or from the extract; see census/cli/build.py."""

import sys

from census.cli.build import main

if __name__ == "__main__":
    sys.exit(main())
