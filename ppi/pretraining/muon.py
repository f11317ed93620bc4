"""Muon over all matrices of one shape at once, which needs tens of products per step instead of hundreds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_MOMENTUM = 0.95
#: Coefficients of the polynomial of Jordan 2024, which brings singular values near 1 in five iterations.
_COEFFICIENTS, _ITERATIONS = (3.4445, -4.7750, 2.0315), 5
_TINY = 1e-7


class Muon(Optimizer):
    """Orthogonalised momentum with decoupled weight decay (Jordan 2024), as in `torch.optim.Muon`.

    Updates have the norm of those of AdamW (Liu et al. 2025), so that both use one learning rate. Torch
    computes matrix by matrix; here all matrices of a shape are computed together, because a GPU would
    otherwise wait for the launch of hundreds of small kernels.

    Parameters
    ----------
    matrices
        Matrices, ``(M, N)`` each; every one has a gradient in every step.
    weight_decay
        Weight decay; a step subtracts this times the learning rate.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], weight_decay: float) -> None:
        super().__init__(matrices, {"lr": 0.0, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure
        """Update each matrix by its gradient."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                alike[tuple(weight.shape)].append(weight)
            for shape, weights in alike.items():
                updates = orthogonalised(self._momentum(weights)).to(weights[0].dtype)
                rate = 0.2 * max(shape) ** 0.5 * group["lr"]
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(weights, list(updates.unbind()), alpha=-rate)

    def _momentum(self, weights: list[Tensor]) -> Tensor:
        """Update the momentum; return the Nesterov update, ``(S, M, N)``."""
        gradients: list[Tensor] = []
        for weight in weights:
            assert weight.grad is not None
            gradients.append(weight.grad)
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        moments = [self.state[weight]["momentum_buffer"] for weight in weights]
        torch._foreach_lerp_(moments, gradients, 1 - _MOMENTUM)
        return torch.stack(torch._foreach_lerp(gradients, moments, _MOMENTUM))


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return ``(S, M, N)`` matrices with singular values near 1 (0.7 to 1.2), in bfloat16.

    This takes five steps of a quintic Newton-Schulz iteration; a matrix of zeros is unchanged.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    found = (matrices.mT if tall else matrices).bfloat16()
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=_TINY)
    first, third, fifth = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = found @ found.mT
        found = torch.baddbmm(
            found, torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth), found, beta=first
        )
    return found.mT if tall else found
