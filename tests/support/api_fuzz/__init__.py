"""Calls of the whole API, made up from its own description, and what no answer may hold."""
