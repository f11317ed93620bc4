"""Losses of one effective batch (all complexes of one optimiser step) on standardised pKd.

Each takes the ``(B, O)`` outputs of a head, ``(B,)`` standardised targets and ``(B,)`` weights above 0, and
returns a mean over complexes, ranks or pairs, so that losses are comparable between batch sizes.
The unit of scores and targets is the standard deviation of the training labels.

The losses in `RANKING` need all complexes at once; for a batch of one they are 0, because there is nothing to
rank. The others may be computed in pieces: the loss of a batch is the mean over its pieces, weighted by the
sum of their weights. The loss of the mixers' attention is in `ppi.training.diversification`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, relu

from heads.base import LOG_VARIANCES
from ppi.training.loss_names import LabelLoss, LossMix

HUBER_DELTA = 1.0
#: Beta of the beta-NLL: 0 is the plain likelihood, 1 gives the score the gradients of the squared error.
BETA = 0.5
#: By how much the stronger binder of a pair should score higher, in standard deviations of the labels.
MARGIN = 0.1

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def mse(outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of the squared error."""
    return _mean((outputs[:, 0] - target) ** 2, weight)


def huber(outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of Huber's loss (Huber 1964): squared up to `HUBER_DELTA`, then linear."""
    return _mean(huber_loss(outputs[:, 0], target, reduction="none", delta=HUBER_DELTA), weight)


def gaussian(outputs: Tensor, target: Tensor, weight: Tensor, beta: float = BETA) -> Tensor:
    """Return the weighted mean of the beta-NLL of a normal distribution (Seitzer et al. 2022, section 4).

    The plain likelihood divides the error of a complex by its variance, so that a badly predicted complex
    gets a large variance and is no longer learned. Here each term is multiplied by ``variance ** beta``
    without a gradient, which does not change the optimal score and variance of a complex. The constant
    ``log(2 pi) / 2`` is omitted.

    A log-variance outside `LOG_VARIANCES` is clamped, and its distance from the range is added to the loss of
    the complex, so that there is a gradient back into the range.

    Parameters
    ----------
    outputs
        ``(B, 2)``: score and logarithm of the variance.
    target, weight
        ``(B,)`` values.
    beta
        Exponent of the variance in the factor of a term, 0 to 1.

    Raises
    ------
    ValueError
        If the outputs have no second column.
    """
    if outputs.shape[1] != 2:
        raise ValueError(
            "the gaussian loss needs 2 outputs per complex (score and log-variance), but there is "
            f"{outputs.shape[1]}; use a heteroscedastic head"
        )
    score, given = outputs.unbind(1)
    log_variance = given.clamp(*LOG_VARIANCES)
    likelihood = (log_variance + (score - target) ** 2 * (-log_variance).exp()) / 2
    factor = (beta * log_variance).exp().detach()
    return _mean(factor * likelihood + (given - log_variance).abs(), weight)


def listmle(outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the negative log-likelihood per rank of the measured order (ListMLE, Xia et al. 2008).

    The order is drawn from the strongest binder on; at each rank, one of the remaining complexes is drawn
    with the softmax of their scores as probabilities. Each rank has the weight of its complex, and the sum is
    divided by that of the weights. The loss still grows with the logarithm of the batch size, because one of
    many is harder to predict.

    Complexes with the same label have no order. As in Efron's method for the partial likelihood (Efron 1977),
    which has the same form, each of them is equally likely at any of their ranks: a rank has their mean
    weight, and the contribution of those already drawn is the mean over the possible choices. If their scores
    are equal, this is the mean over all their orders.
    """
    order = target.argsort(descending=True)
    score = outputs[order, 0]
    score, weight = score - score.max().detach(), weight[order]
    _, ties, sizes = target[order].unique_consecutive(return_inverse=True, return_counts=True)
    ends = sizes.cumsum(0)
    starts = ends - sizes
    # Sums from each rank on, and 0 at the end, where no complex remains.
    log_sums = torch.cat([score.flip(0).logcumsumexp(0).flip(0), score.new_tensor([-math.inf])])
    place = torch.arange(len(score), device=score.device)
    gone = (place - starts[ties]).to(score.dtype) / sizes[ties]
    left = torch.logaddexp(
        (1 - gone).log() + log_sums[starts[ties]],
        gone.log() + log_sums[ends[ties]],
    )
    of_place = (torch.zeros_like(sizes, dtype=weight.dtype).index_add(0, ties, weight) / sizes)[ties]
    return (of_place * left - weight * score).sum() / weight.sum()


def margin(outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the mean shortfall of pairs from `MARGIN`, weighted over all pairs with different labels.

    The weight of a pair is the product of the weights of its complexes.
    """
    stronger, weaker = torch.nonzero(target.unsqueeze(1) > target, as_tuple=True)
    score = outputs[:, 0]
    return _mean(relu(MARGIN - (score[stronger] - score[weaker])), weight[stronger] * weight[weaker])


LOSSES: dict[LabelLoss, Loss] = {
    "mse": mse,
    "huber": huber,
    "gaussian": gaussian,
    "listmle": listmle,
    "margin": margin,
}
#: Losses that depend on the order of the complexes of a batch.
RANKING: frozenset[LabelLoss] = frozenset({"listmle", "margin"})


def total_loss(losses: LossMix, outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the sum of losses, each times its factor.

    Parameters
    ----------
    losses
        Factors by name in `LOSSES`; at least one.
    outputs
        ``(B, O)`` outputs of a head: the score and, for ``gaussian``, the log-variance.
    target, weight
        ``(B,)``: standardised pKd, and weights above 0.

    Returns
    -------
    Tensor
        Scalar loss.

    Raises
    ------
    ValueError
        If ``gaussian`` lacks the second output.
    """
    return torch.stack(
        [factor * LOSSES[name](outputs, target, weight) for name, factor in losses.items()]
    ).sum()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean; for no values, 0 that is connected to the graph."""
    total = weight.sum()
    return (weight * values).sum() / torch.where(total > 0, total, 1.0)
