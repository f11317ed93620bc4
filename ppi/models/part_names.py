"""Types of the names and options of heads, mixers and poolings in settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from heads.names import HEADS, MIXERS, POOLINGS
from ppi.models.readouts.names import NETWORK, READOUTS

HeadName = Annotated[str, AfterValidator(HEADS.check)]
MixerName = Annotated[str, AfterValidator(MIXERS.check)]
PoolingName = Annotated[str, AfterValidator(POOLINGS.check)]


def _check_readout(name: str) -> str:
    return name if name == NETWORK else READOUTS.check(name)


#: Model from pooled vectors to pKd: the head's own network, or a read-out by name.
ReadOutName = Annotated[str, AfterValidator(_check_readout)]

#: Options of a head, mixer or pooling by name; checked when it is made (`heads.options.make_part`).
ComponentOptions = dict[str, Any]
