"""Names of read-outs: the choices in configurations and on the command line."""

from __future__ import annotations

from heads.names import PartTable

#: The head's own network, which is trained with it.
NETWORK = "network"
READOUTS = PartTable(
    "read-out",
    {
        "trees": "ppi.models.readouts.trees:TreeReadOut",
        "ridge": "ppi.models.readouts.linear:RidgeReadOut",
        "gp": "ppi.models.readouts.kernel:GaussianProcessReadOut",
    },
)
register_readout = READOUTS.register
