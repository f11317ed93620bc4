"""The wells of a plate."""

from __future__ import annotations

from string import ascii_uppercase

from ppi.errors import InputError

#: Rows and columns of a plate, by its number of wells.
SHAPES = {96: (8, 12), 384: (16, 24)}


def well_names(plate: int) -> list[str]:
    """Return the wells column by column, as a multichannel pipette fills them: A1, B1, ... H1, A2, ...

    Raises
    ------
    InputError
        If there is no plate with so many wells.
    """
    if plate not in SHAPES:
        raise InputError(f"a plate of {plate} wells is not known; give {' or '.join(map(str, SHAPES))}")
    rows, columns = SHAPES[plate]
    return [f"{row}{column}" for column in range(1, columns + 1) for row in ascii_uppercase[:rows]]


def check_fits(size: int, controls: int, plate: int) -> None:
    """Raise unless a batch fits on a plate.

    Raises
    ------
    InputError
        If it does not, or it has no variant.
    """
    if size < 1:
        raise InputError(f"the size of the batch is {size}; give 1 or more")
    wells = len(well_names(plate))
    if size + controls > wells:
        beside = f" and {controls} controls do" if controls else " does"
        raise InputError(
            f"a batch of {size} variants{beside} not fit on a plate of {wells} wells; give a size of at most "
            f"{wells - controls}" + (f", or a plate of {max(SHAPES)} wells" if plate < max(SHAPES) else "")
        )
