"""Who may see what: keys, tokens of an identity provider, and sessions of the pages.

A request shows one credential: `Authorization: Bearer` with an API key or with a token, or the cookie of a session.
`gate.Gate` turns it into a `service.identity.Identity`, or refuses; nothing else in the service looks at credentials.
"""
