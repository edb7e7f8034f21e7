"""Reasons in words: what a risk is made of, in Chinese and in English, with the numbers an officer can check.

A feature's exact contribution (`models.explain`) is one number among a hundred. What an officer is told is a few
topics, each the sum of the features that say much the same (`models.reasons.topics`), in the words of the feature that
speaks for it (`models.reasons.phrases`).
"""

from models.reasons.phrases import has_own_words, phrase
from models.reasons.stored import (
    MOST_REASONS,
    OVERDUE_REASONS,
    ToldReason,
    facts_of_one,
    facts_told,
    stored_reasons,
    stored_reasons_of_one,
    told_reasons,
    top_topics,
)
from models.reasons.topics import TOPICS, Topic, by_topic, topic_of

__all__ = [
    "MOST_REASONS",
    "OVERDUE_REASONS",
    "TOPICS",
    "ToldReason",
    "Topic",
    "by_topic",
    "facts_of_one",
    "facts_told",
    "has_own_words",
    "phrase",
    "stored_reasons",
    "stored_reasons_of_one",
    "told_reasons",
    "top_topics",
    "topic_of",
]
