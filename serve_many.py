#!/usr/bin/env python3
"""Serve census.db with several workers behind Caddy, or swap the database under them; see census/serve/stack.py."""

import sys

from census.serve.stack import main

if __name__ == "__main__":
    sys.exit(main())
