"""What stands for a key in a sentence, in Chinese and in English."""

from __future__ import annotations

from typing import Final

KEY_WORDS: Final[dict[str, tuple[str, str]]] = {
    "city": ("全市", "the whole city"),
    "promise": ("承诺时限相近的案件", "cases promised about as long"),
    "category": ("这类问题", "this type of problem"),
    "category_channel": ("这类问题经此渠道", "this type of problem through this channel"),
    "category_area": ("本地这类问题", "this type of problem in this area"),
    "category_promise": ("这类问题且时限相近", "this type of problem with such a promise"),
    "category_office": ("本单位办理的这类问题", "this type of problem at this office"),
    "area": ("本区域", "this area"),
    "channel": ("此渠道", "this channel"),
    "category_group": ("这一大类", "this group of problems"),
    "office": ("本单位", "this office"),
}

# The same key in the areas that border on the case's own.
NEAR_WORDS: Final[dict[str, tuple[str, str]]] = {
    "area": ("相邻区域", "the areas next to this one"),
    "category_area": ("相邻区域的这类问题", "this type of problem in the areas next to this one"),
}
