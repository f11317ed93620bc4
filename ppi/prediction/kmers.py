"""Which of many chains share most words of three residues with a chain: a sieve before exact alignments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppi.complexes import AMINO_ACIDS, UNKNOWN

_WORD = 3
_LETTERS = AMINO_ACIDS + UNKNOWN
_CODES = np.zeros(128, dtype=np.int64)
_CODES[list(_LETTERS.encode())] = np.arange(len(_LETTERS))
_WORDS = len(_LETTERS) ** _WORD


class WordIndex:
    """For each word, the chains that hold it.

    Parameters
    ----------
    chains
        To be found, by their number.
    """

    def __init__(self, chains: Sequence[str]) -> None:
        count = len(chains)
        owner = np.repeat(np.arange(count), [len(chain) for chain in chains])
        words = _all_words("".join(chains))
        inside = owner[: len(words)] == owner[len(owner) - len(words) :]
        joined = np.unique(words[inside] * count + owner[: len(words)][inside])
        self._chains = (joined % max(count, 1)).astype(np.int32)
        self._words = np.bincount(self._chains, minlength=count).astype(np.float64)
        self._starts = np.searchsorted(joined // max(count, 1), np.arange(_WORDS + 1))

    def nearest(self, chain: str, most: int) -> np.ndarray:
        """Return the sorted numbers of at most `most` chains that share more words with a chain than chance
        gives.

        Chance is a Poisson number in proportion to how many distinct words each of the two chains has.
        """
        words = _words_of(chain)
        found = [self._chains[self._starts[word] : self._starts[word + 1]] for word in words]
        shared = np.bincount(np.concatenate(found), minlength=len(self._words)) if found else 0 * self._words
        expected = np.maximum(len(words) * self._words / _WORDS, 1e-3)
        excess = (shared - expected) / np.sqrt(expected)
        if most < len(excess):
            chosen = np.argpartition(-excess, most)[:most]
        else:
            chosen = np.arange(len(excess))
        numbers: np.ndarray = np.sort(chosen[excess[chosen] > 0])
        return numbers


def _words_of(chain: str) -> np.ndarray:
    """Return the distinct words of a chain as numbers."""
    return np.unique(_all_words(chain))


def _all_words(text: str) -> np.ndarray:
    """Return the number of the word that begins at each letter, but for the last letters."""
    codes = _CODES[np.frombuffer(text.encode("ascii"), dtype=np.uint8)]
    count = max(len(codes) - _WORD + 1, 0)
    numbers = np.zeros(count, dtype=np.int64)
    for place in range(_WORD):
        numbers += len(_LETTERS) ** place * codes[place : place + count]
    return numbers
