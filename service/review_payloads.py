"""What is sent to review a signal."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ReviewStatus = Literal["checked", "confirmed", "dismissed", "acted"]
# The keys of `models.signals.reviews.REASONS`; a test keeps the two the same.
DismissalReason = Literal["known_event", "season", "counted_otherwise", "one_off", "nothing_found"]


class SignalReview(BaseModel):
    """One step of a review: what became of a signal. Nothing is recorded of who looked."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [{"status": "confirmed", "reason": None}, {"status": "dismissed", "reason": "season"}]
        },
    )

    status: ReviewStatus = Field(description="What became of it.")
    reason: DismissalReason | None = Field(default=None, description="Why it is dismissed; null for anything else.")
