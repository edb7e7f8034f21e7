"""Signatures: where keys are trusted, only what one of them signed is loaded and put to use."""

from __future__ import annotations

import builtins
import json
import stat

import pytest

from data.errors import ModelError, UsageError
from models.registry import Registry
from models.registry.signature import make_pair
from models.registry.verify import verify

FILES = {"booster.txt": b"tree", "model.json": b'{"features": []}'}


@pytest.fixture
def keys(tmp_path):
    """A folder with the private halves of two pairs, and one with the public half of the first, which is trusted."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "trusted").mkdir()
    make_pair(tmp_path / "keys" / "office.key", tmp_path / "trusted" / "office.pem")
    make_pair(tmp_path / "keys" / "stranger.key", tmp_path / "keys" / "stranger.pem")
    return tmp_path


@pytest.fixture
def registry(keys):
    return Registry(keys / "models", trusted_keys=keys / "trusted")


def test_a_model_signed_by_a_trusted_key_is_loaded_and_says_by_whom(registry, keys):
    """The signature is checked before anything is parsed."""
    version = registry.save("late", FILES, sign_with=keys / "keys" / "office.key")
    stored = registry.load(version)
    assert stored.files == FILES
    assert stored.signed_by is not None
    assert len(stored.signed_by) == 16
    registry.promote("late", version)
    registry.require_in_use()


def test_an_unsigned_model_is_refused_at_load_promotion_and_start(registry, keys):
    """Who can write to the folder can write a manifest too, and still cannot put a model to use."""
    plain = Registry(keys / "models")
    version = plain.save("late", FILES)
    plain.promote("late", version)
    told = f"{version}: expected a signature by a trusted key, and it has none"
    for act in (
        lambda: registry.load(version),
        lambda: registry.promote("late", version),
        registry.require_in_use,
    ):
        with pytest.raises(ModelError, match=told):
            act()
    assert [one.problem is None for one in verify(registry)] == [False, True, True]


def test_a_model_signed_by_a_stranger_is_refused(registry, keys):
    """Any signature is not enough."""
    version = registry.save("late", FILES, sign_with=keys / "keys" / "stranger.key")
    with pytest.raises(ModelError, match=r"and it is signed by [0-9a-f]{16}"):
        registry.load(version)


def test_a_second_signature_does_not_take_the_first_away(registry, keys):
    """Keys change over the years: one that is trusted among the signers is enough."""
    version = registry.save("late", FILES, sign_with=keys / "keys" / "stranger.key")
    signer = registry.sign(version, keys / "keys" / "office.key")
    assert registry.load(version).signed_by == signer
    told = json.loads((registry.folder / version / "signatures.json").read_text())
    assert len(told["signatures"]) == 2


def test_saving_again_with_a_key_signs_what_is_there(registry, keys):
    """The same training, now by somebody who may."""
    version = registry.save("late", FILES)
    assert registry.save("late", FILES, sign_with=keys / "keys" / "office.key") == version
    assert registry.load(version).signed_by is not None


def _change(registry, version, name, change):
    path = registry.folder / version / name
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"format": 2', '"format":  2'),
        lambda text: text.replace("sha256", "sha512"),
    ],
)
def test_a_manifest_that_was_touched_after_the_signature_is_refused(registry, keys, change):
    """The signature is over the manifest as it is stored."""
    version = registry.save("late", FILES, sign_with=keys / "keys" / "office.key")
    _change(registry, version, "manifest.json", change)
    with pytest.raises(ModelError, match="does not fit its manifest"):
        registry.load(version)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "A" * 88])
def test_a_signature_that_is_none_is_refused(registry, keys, text):
    """Garbage in a trusted name is as good as a wrong one."""
    version = registry.save("late", FILES, sign_with=keys / "keys" / "office.key")
    path = registry.folder / version / "signatures.json"
    told = json.loads(path.read_text())
    told["signatures"] = dict.fromkeys(told["signatures"], text)
    path.write_text(json.dumps(told))
    with pytest.raises(ModelError, match="does not fit its manifest"):
        registry.load(version)


def test_a_signature_does_not_fit_another_version(registry, keys):
    """What was signed is this version, and not whatever bears its signature."""
    key = keys / "keys" / "office.key"
    one, two = registry.save("late", FILES, sign_with=key), registry.save("late", {**FILES, "booster.txt": b"x"})
    signature = (registry.folder / one / "signatures.json").read_bytes()
    (registry.folder / two / "signatures.json").write_bytes(signature)
    with pytest.raises(ModelError, match="does not fit its manifest"):
        registry.load(two)


@pytest.mark.parametrize("change", [{"format": 2}, {"algorithm": "rsa"}, {"signatures": []}])
def test_signatures_of_another_kind_are_refused(registry, keys, change):
    """What cannot be understood is not taken for none."""
    version = registry.save("late", FILES, sign_with=keys / "keys" / "office.key")
    path = registry.folder / version / "signatures.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=r"expected signatures of format 1 \(ed25519\)"):
        registry.load(version)


def test_the_environment_names_keys_so_that_no_door_forgets_them(keys, monkeypatch):
    """A registry that was given no keys asks the environment, for trust and for signing."""
    monkeypatch.setenv("HEED_MODEL_TRUSTED_KEYS", str(keys / "trusted"))
    version = Registry(keys / "models").save("late", FILES)
    with pytest.raises(ModelError, match="expected a signature"):
        Registry(keys / "models").load(version)
    monkeypatch.setenv("HEED_MODEL_SIGNING_KEY", str(keys / "keys" / "office.key"))
    version = Registry(keys / "models").save("late", {**FILES, "booster.txt": b"x"})
    assert Registry(keys / "models").load(version).signed_by is not None


def test_a_pair_is_written_for_its_owner_only_and_never_over_another(tmp_path):
    """A private key that others may read is refused, as is overwriting one."""
    private, public = tmp_path / "a.key", tmp_path / "a.pem"
    make_pair(private, public)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert b"PRIVATE" not in public.read_bytes()
    with pytest.raises(UsageError, match=r"a\.key: expected a new file"):
        make_pair(private, tmp_path / "b.pem")
    with pytest.raises(UsageError, match=r"a\.pem: expected a new file"):
        make_pair(tmp_path / "b.key", public)
    assert not (tmp_path / "b.key").exists()
    private.chmod(0o644)
    with pytest.raises(UsageError, match="others than its owner may read this key"):
        Registry(tmp_path / "models").save("late", FILES, sign_with=private)
    assert not (tmp_path / "models").exists()


def test_a_file_that_is_no_key_is_told(registry, keys):
    """Each half in its place, and nothing else."""
    with pytest.raises(UsageError, match=r"There is no key at none\.key"):
        registry.save("late", FILES, sign_with=keys / "none.key")
    broken = keys / "broken.key"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    broken.chmod(0o600)
    with pytest.raises(UsageError, match=r"broken\.key: expected a private Ed25519 key in PEM"):
        registry.save("late", FILES, sign_with=broken)
    version = registry.save("late", FILES)
    (keys / "trusted" / "broken.pem").write_text("nothing")
    with pytest.raises(UsageError, match=r"broken\.pem: expected a public Ed25519 key"):
        Registry(keys / "models", trusted_keys=keys / "trusted").load(version)


def test_an_empty_folder_of_trusted_keys_is_a_mistake(keys):
    """It is not read as a wish to trust everybody, nor nobody."""
    (keys / "empty").mkdir()
    version = Registry(keys / "models").save("late", FILES)
    for folder in ("empty", "missing"):
        with pytest.raises(UsageError, match=f"HEED_MODEL_TRUSTED_KEYS: expected a folder.*and {folder} has none"):
            Registry(keys / "models", trusted_keys=keys / folder).load(version)


def test_without_the_library_signing_says_which_extra_to_install(keys, monkeypatch):
    """Hashes work without it; keys don't."""
    real = builtins.__import__

    def without(name, *arguments, **named):
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    version = Registry(keys / "models").save("late", FILES)
    assert Registry(keys / "models").load(version).files == FILES
    for act in (
        lambda: make_pair(keys / "c.key", keys / "c.pem"),
        lambda: Registry(keys / "models").sign(version, keys / "keys" / "office.key"),
        lambda: Registry(keys / "models", trusted_keys=keys / "trusted").load(version),
    ):
        with pytest.raises(UsageError, match=r'the extra .signing.*pip install "heed\[signing\]"'):
            act()
