"""What the service needs to know before it starts, from the environment (`HEED_…`) and the command line."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.database import file_of, parse_url
from data.errors import UsageError

Language = Literal["en", "zh"]


class Settings(BaseSettings):
    """Settings of one heed service; each can be given as an environment variable with the prefix `HEED_`.

    Attributes
    ----------
    store_url : str
        `sqlite:///x.db`, a bare path, or `postgresql+psycopg://…`.
    model_dir : Path or None
        Folder of trained models; None: beside the store (see `models_folder`).
    language : "en" or "zh"
        Spoken to those who ask for neither.
    minimum_cell : int
        Figures about an area below this are suppressed. It can be raised, and lowered no further than 5.
    host, port
        Where to listen. Anything but loopback is refused.
    recheck_seconds : float
        How long an answer may be given without looking whether the store has changed.
    """

    model_config = SettingsConfigDict(env_prefix="HEED_", frozen=True, extra="ignore")

    store_url: str = "heed.db"
    model_dir: Path | None = None
    language: Language = "en"
    minimum_cell: int = Field(default=10, ge=5)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    recheck_seconds: float = Field(default=1.0, ge=0)

    @classmethod
    def read(cls, **given: Any) -> Self:
        """The settings of the environment, with what is given on top.

        Raises
        ------
        UsageError
            If a value is not of its kind, naming the variable and what was expected, or if the address to
            listen on is not of this machine.
        """
        try:
            settings = cls(**given)
        except ValidationError as error:
            lines = "\n".join(
                f"  - HEED_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors(include_input=False)
            )
            raise UsageError(f"Settings that cannot be used:\n{lines}") from None
        settings.refuse_unsafe()
        return settings

    def models_folder(self) -> Path:
        """Where the models of this store are: `model_dir`, or the folder `NAME.models` beside an SQLite
        store.
        """
        if self.model_dir is not None:
            return self.model_dir
        file = file_of(parse_url(self.store_url))
        return Path("heed.models") if file is None else file.with_suffix(".models")

    def refuse_unsafe(self) -> None:
        """Refuse to be reached from another machine.

        Raises
        ------
        UsageError
            If `host` is not a loopback address.
        """
        if not _is_loopback(self.host):
            raise UsageError(
                f"Expected a loopback address to listen on (127.0.0.1, ::1 or localhost), got {self.host}. "
                "There is no authentication yet, so whoever reaches the service reads every case. "
                "Keep it on this machine, and reach it from another one through a tunnel, such as "
                "`ssh -L 8000:127.0.0.1:8000`."
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
