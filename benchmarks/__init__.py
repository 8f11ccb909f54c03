"""What a build and an answer cost, measured."""
