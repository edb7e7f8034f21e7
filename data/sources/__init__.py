"""Portals that cases are fetched from: one client per protocol, and one way from there through the privacy door.

`sync.sync_source` is the entry. The clients (`socrata`, `ckan`, `georeport`) turn a plan into pages of rows, `spool`
keeps the pages until all are there, and `data.import_cases` brings them in as one import.
"""
