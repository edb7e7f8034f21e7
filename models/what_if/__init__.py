"""What an office could do about a case, and how cases went in which it was done.

Only what offices do with a case is asked: hand it over, reply, let the clock run again, answer by a day. Nothing is
asked about who brought it, nothing moves a deadline, and nothing a case is called is changed. What comes out is told
beside a risk and never put in its place: a what-if lowers no case's place in any list.
"""

from models.what_if.actions import ACTIONS, Action
from models.what_if.ask import WhatIf, what_if, what_ifs
from models.what_if.counts import SupportCounts
from models.what_if.support import FEWEST, Like, Seen, Support
from models.what_if.world import World

__all__ = [
    "ACTIONS",
    "FEWEST",
    "Action",
    "Like",
    "Seen",
    "Support",
    "SupportCounts",
    "WhatIf",
    "World",
    "what_if",
    "what_ifs",
]
