"""Tokenisation by look-up: each residue is a byte, which indexes a table of 256 tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ppi.backbones.base import Unit
from ppi.complexes import AMINO_ACIDS, REPLACED_BY_UNKNOWN, UNKNOWN
from ppi.errors import InputError

# These characters represent the special tokens in the text that is looked up; no chain contains them.
_START, _SEPARATOR, _END = "\x01", "\x02", "\x03"
_NO_TOKEN = -1

#: Published order of the tokens of ESM-1b, ESM-2, ESM C and ESM3; a dot marks a token that is not a residue.
ESM_TOKENS = "....LAGVSERTIDPKQNFYMHWCXBUZO"


@dataclass(frozen=True)
class Tokens:
    """Tokens of consecutive units, ``N`` in all.

    Attributes
    ----------
    ids
        ``(N,)`` int64.
    lengths
        Number of tokens of each unit.
    residue
        ``(N,)`` bool: whether each token is a residue, not a special token.
    """

    ids: np.ndarray
    lengths: list[int]
    residue: np.ndarray


def in_order(tokens: str) -> dict[str, int]:
    """Return the token of each residue in a string with one character per token; dots are skipped."""
    return {residue: token for token, residue in enumerate(tokens) if residue != "."}


class Vocabulary:
    """The tokens of a backbone, and the special tokens around and between the chains of a unit.

    Parameters
    ----------
    tokens
        Token of each one-letter residue; B, O, U and Z are always read as X.
    start, separator, end
        Tokens before the first chain (None for none), between two chains, and after the last.
    """

    def __init__(self, tokens: Mapping[str, int], *, start: int | None, separator: int, end: int) -> None:
        self._start = _START if start is not None else ""
        self._table = np.full(256, _NO_TOKEN, dtype=np.int64)
        for residue in AMINO_ACIDS + UNKNOWN:
            self._table[ord(residue)] = tokens[residue]
        for residue in REPLACED_BY_UNKNOWN:
            self._table[ord(residue)] = tokens[UNKNOWN]
        for symbol, token in ((_START, start), (_SEPARATOR, separator), (_END, end)):
            self._table[ord(symbol)] = _NO_TOKEN if token is None else token

    def length(self, unit: Unit) -> int:
        """Return the number of tokens of a unit, with special tokens."""
        return len(self._start) + sum(map(len, unit)) + len(unit)

    def encode(self, units: Sequence[Unit]) -> Tokens:
        """Return the tokens of units.

        Raises
        ------
        InputError
            If a chain contains a character that is not a residue.
        """
        texts = [f"{self._start}{_SEPARATOR.join(unit)}{_END}" for unit in units]
        codes = np.frombuffer("".join(texts).encode("ascii", "replace"), dtype=np.uint8)
        ids = self._table[codes]
        if ids.min(initial=0) == _NO_TOKEN:
            wrong = chr(codes[int((ids == _NO_TOKEN).argmax())])
            raise InputError(f"{wrong!r} is not a residue; use the upper-case letters {AMINO_ACIDS}{UNKNOWN}")
        return Tokens(ids, [len(text) for text in texts], codes > ord(_END))
