"""A user's pseudonym: the same everywhere, and nobody's guess without the key."""

import hashlib
import hmac
from pathlib import Path

import pytest
from clickwatch_service import UserError
from clickwatch_service.pseudonyms import Pseudonyms

KEY = b"0123456789abcdef"


def test_a_pseudonym_is_the_keyed_hash_of_the_user() -> None:
    expected = hmac.new(KEY, "grüße".encode(), hashlib.sha256).hexdigest()[:32]

    assert Pseudonyms(KEY).of("grüße") == f"anon-{expected}"
    assert Pseudonyms(KEY[::-1]).of("grüße") != f"anon-{expected}"


def test_a_pseudonym_is_its_own_pseudonym() -> None:
    once = Pseudonyms(KEY).of("user_1")

    assert Pseudonyms(KEY).of(once) == once
    assert Pseudonyms(KEY).of(once + "0") != once + "0"


def test_the_end_of_the_line_after_a_key_does_not_belong_to_it(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\r\n")

    assert Pseudonyms.from_file(file).of("user_1") == Pseudonyms(KEY).of("user_1")


def test_a_key_that_is_missing_or_short_is_refused_with_a_remedy(tmp_path: Path) -> None:
    short = tmp_path / "key"
    short.write_bytes(b"secret\n")

    for file, reason in ((short, "holds 6 bytes"), (tmp_path / "none", "No such file")):
        with pytest.raises(UserError, match=reason) as refused:
            Pseudonyms.from_file(file)
        assert "openssl rand" in str(refused.value)
