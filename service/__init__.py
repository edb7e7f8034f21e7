"""The doors: HTTP, pages, and the command `heed`."""
