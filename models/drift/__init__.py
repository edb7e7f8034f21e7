"""How far what a model meets today is from what it learned from, and what it told from what came.

kept = material_of(history, models)            # at the training; kept with the models
moves = moved(kept, inputs, told)              # at a scoring
gaps = told_against_came(told, came, cases)    # once outcomes of earlier scorings are mature
"""

from models.drift.bins import Bins, Move, chance_limit, expected_by_chance, level_of, stability_index
from models.drift.material import Material, material_of, moved
from models.drift.told import Told, told_against_came

__all__ = [
    "Bins",
    "Material",
    "Move",
    "Told",
    "chance_limit",
    "expected_by_chance",
    "level_of",
    "material_of",
    "moved",
    "stability_index",
    "told_against_came",
]
