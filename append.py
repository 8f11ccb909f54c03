#!/usr/bin/env python3
"""Add the index of multiple deprivation to a table of postcodes on your own machine; see census/cli/append.py."""

import sys

from census.cli.append import main

if __name__ == "__main__":
    sys.exit(main())
