"""Backups: a whole store with its models in one archive, for either engine, and back again."""
