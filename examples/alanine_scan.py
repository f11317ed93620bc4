"""An alanine scan of barnase and barstar, beside what was measured: python examples/alanine_scan.py"""

from __future__ import annotations

from pathlib import Path

import ppi


def main() -> None:
    """Print the mutants that were measured, the strongest effect first."""
    complexes = Path(__file__).with_name("barnase_barstar.fasta")
    with ppi.Predictor() as predictor:
        scan = predictor.scan(complexes, alanine=True)
        blind = predictor.scan(complexes, alanine=True, measured=False)
    table = scan.table.assign(
        rank_from_sequence=blind.table["ddg_kcal_mol"].rank(ascending=False).astype(int)
    )
    shown = ["mutant", "ddg_kcal_mol", "ddg_lower", "ddg_upper", "ddg_from_sequence", "measured_ddg"]
    measured = table[table["measured_ddg"].notna()].sort_values("measured_ddg", ascending=False)
    print(measured[[*shown, "rank_from_sequence"]].to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
