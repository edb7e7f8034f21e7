"""The same counting on other engines: thin adapters that partition by key and call the kernel."""
