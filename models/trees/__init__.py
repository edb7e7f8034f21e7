"""Boosted trees as plain arrays: read from LightGBM's text with every number checked, scored and explained exactly."""

from models.trees.ensemble import TreeEnsemble

__all__ = ["TreeEnsemble"]
