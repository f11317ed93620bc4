"""Names and options of heads, mixers and poolings as settings have them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from heads.names import HEADS, MIXERS, POOLINGS

HeadName = Annotated[str, AfterValidator(HEADS.check)]
MixerName = Annotated[str, AfterValidator(MIXERS.check)]
PoolingName = Annotated[str, AfterValidator(POOLINGS.check)]

#: Options of a head, mixer or pooling by name; checked when it is made (`heads.options.make_part`).
ComponentOptions = dict[str, Any]
