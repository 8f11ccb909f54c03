"""The handlers of routes that plugins register."""
