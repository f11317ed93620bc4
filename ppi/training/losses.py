"""Losses of one effective batch: all complexes of one step of the optimiser, on standardised pKd.

Each takes the ``(B, O)`` outputs of a head, ``(B,)`` standardised targets and ``(B,)`` weights above 0, and
returns a mean over complexes, places of a list, or pairs, so that losses of any batch size can be compared.
The unit of scores and targets is the standard deviation of the training labels.

The losses in `RANKING` need all complexes at once; a batch of one has nothing to rank, and they are 0 there.
The others may be computed in pieces: that of a batch is the mean of those of its pieces, each with the sum
of its weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import huber_loss, relu

from heads.base import LOG_VARIANCES
from ppi.training.loss_names import LossMix, LossName

HUBER_DELTA = 1.0
#: Of the beta-NLL; 0 is the plain likelihood, 1 gives the score the gradients of the squared error.
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

    The plain likelihood divides the error of a complex by its variance, so that a complex that was badly
    predicted once is called noise and learned no more. Here each term is multiplied by ``variance ** beta``
    without a gradient, which leaves the best score and the best variance of a complex where they are.
    The constant ``log(2 pi) / 2`` is left out.

    A log-variance outside `LOG_VARIANCES` counts as the nearest inside, and its distance is added to the
    loss of the complex, so that it finds back.

    Parameters
    ----------
    outputs
        ``(B, 2)``: score and logarithm of the variance.
    target, weight
        ``(B,)``.
    beta
        Exponent of the variance in the factor of a term, 0 to 1.

    Raises
    ------
    ValueError
        If there is no second output.
    """
    if outputs.shape[1] != 2:
        raise ValueError(
            f"the gaussian loss needs 2 outputs a complex, score and log-variance, got {outputs.shape[1]}; "
            "a heteroscedastic head gives them"
        )
    score, given = outputs.unbind(1)
    log_variance = given.clamp(*LOG_VARIANCES)
    likelihood = (log_variance + (score - target) ** 2 * (-log_variance).exp()) / 2
    factor = (beta * log_variance).exp().detach()
    return _mean(factor * likelihood + (given - log_variance).abs(), weight)


def listmle(outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the negative log-likelihood of the measured order (ListMLE, Xia et al. 2008), a place.

    The list is filled from the strongest binder on; a place goes to one of the complexes that are left
    with the probability that the softmax of their scores gives it. Each place has the weight of the
    complex that it went to, and the sum is divided by that of the weights. It still grows
    as the logarithm of the size of the batch, since one of many is harder to guess.

    Complexes of one label have no order. As in Efron's method for the partial likelihood (Efron 1977),
    which has the same form, all of them are equally likely to have been placed at any of their places: a
    place has their mean weight, and those already placed are the mean of what they could have been. Where
    their scores are equal this is the mean over all their orders.
    """
    order = target.argsort(descending=True)
    score = outputs[order, 0]
    score, weight = score - score.max().detach(), weight[order]
    _, ties, sizes = target[order].unique_consecutive(return_inverse=True, return_counts=True)
    ends = sizes.cumsum(0)
    starts = ends - sizes
    # Of those that begin at each place, and at the end, where nothing is left.
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
    """Return by how much pairs fall short of `MARGIN`: the weighted mean over all pairs of different labels.

    A pair has the product of the weights of its complexes.
    """
    stronger, weaker = torch.nonzero(target.unsqueeze(1) > target, as_tuple=True)
    score = outputs[:, 0]
    return _mean(relu(MARGIN - (score[stronger] - score[weaker])), weight[stronger] * weight[weaker])


LOSSES: dict[LossName, Loss] = {
    "mse": mse,
    "huber": huber,
    "gaussian": gaussian,
    "listmle": listmle,
    "margin": margin,
}
#: Losses of the order of the complexes of a batch.
RANKING: frozenset[LossName] = frozenset({"listmle", "margin"})


def total_loss(losses: LossMix, outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the sum of losses, each times its factor.

    Parameters
    ----------
    losses
        Names in `LOSSES` and factors; at least one.
    outputs
        ``(B, O)`` of a head: the score and, for ``gaussian``, the log-variance.
    target, weight
        ``(B,)``: standardised pKd, and weights above 0.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    ValueError
        If ``gaussian`` lacks the second output.
    """
    return torch.stack(
        [factor * LOSSES[name](outputs, target, weight) for name, factor in losses.items()]
    ).sum()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean; 0, with a graph, of nothing."""
    total = weight.sum()
    return (weight * values).sum() / torch.where(total > 0, total, 1.0)
