"""Models on disk: data, not objects. A version is a folder of LightGBM text and JSON under a manifest of hashes.

    FOLDER/
      aliases.json                  {"aliases": {"late": {"champion": VERSION, "previous": VERSION}}, "newest": …}
      history.jsonl                 what was saved, promoted, rolled back, signed and pruned: a line each
      late-4f0c9a1b2d3e/            a single model
        booster.txt                 LightGBM's own text
        model.json                  features, offset, calibration, card
        manifest.json               SHA-256 and size of each file
        signatures.json             who signed the manifest (Ed25519), where anybody did
      risk-0a1b2c3d4e5f/            a bundle: models of one training, promoted together
        bundle.json                 how all of them were made: outcomes, features, card
        late/booster.txt
        late/model.json
        …

The name of a version is the hash of its contents, so the same training gives the same version, and a changed file
can't keep its name. Nothing here is ever unpickled.
"""

from models.registry.aliases import ALIASES, CHALLENGER, CHAMPION, PREVIOUS, SHADOW, Entry
from models.registry.names import BUNDLE, CARD
from models.registry.registry import ANYONE, Registry
from models.registry.stored import StoredModel

__all__ = [
    "ALIASES",
    "ANYONE",
    "BUNDLE",
    "CARD",
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "SHADOW",
    "Entry",
    "Registry",
    "StoredModel",
]
