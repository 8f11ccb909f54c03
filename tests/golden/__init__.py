"""Golden answers: what the site, the build and the commands answer now, recorded so that a change shows.

requests.yaml lists requests to the site over the extract, commands.yaml runs of the commands. `answers/` holds what
they answered, in text files that show in a diff what changed. `python -m tests.golden` compares, and prints a diff for
each answer that differs; `make golden` records the answers as they are now and prints the same.

What is compared byte for byte and what is not is decided in one place, `normal.py`, each rule with its reason.
"""
