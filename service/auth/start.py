"""What has to be so before a service with authentication starts."""

from __future__ import annotations

import time

from data.errors import UsageError
from data.store import Store
from service.auth.keys import list_keys
from service.settings import Settings


def require_someone(settings: Settings) -> None:
    """Refuse a service that would let nobody in.

    Raises
    ------
    UsageError
        If authentication is required, there is no identity provider, and no key of the store counts.
    StoreError
        If the store that would hold the keys cannot be opened.
    """
    if settings.auth == "none" or settings.oidc_issuer is not None:
        return
    with Store.open(settings.store_url) as store:
        good = any(key.state(time.time()) == "good" for key in list_keys(store))
    if not good:
        raise UsageError(
            "HEED_AUTH is required, and nobody could sign in: the store holds no key that counts, and no identity "
            "provider is configured. Make a key with `heed keys add --role admin --purpose first-key`, or set "
            "HEED_OIDC_ISSUER and HEED_OIDC_AUDIENCE."
        )
