"""Trackers that do not exist: what they drive (`fix`), and how each protocol says it (one module per protocol)."""
