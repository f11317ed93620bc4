"""Muon and AdamW over float32 weights; the computation may use a bfloat16 copy."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from transformers import EsmConfig

from ppi.errors import ModelError
from ppi.pretraining.masking import MaskedBatch
from ppi.pretraining.model import MaskedLanguageModel, make_model
from ppi.pretraining.muon import Muon
from ppi.pretraining.settings import PretrainSettings

_BETAS = (0.9, 0.98)  # of ESM-2
#: Momentum of a matrix. A checkpoint may lack it, because it spans only some twenty steps.
MOMENTUM = "momentum_buffer"
#: State of an optimiser for each weight.
_MOMENTS: dict[type[Optimizer], tuple[str, ...]] = {
    AdamW: ("exp_avg", "exp_avg_sq"),
    Muon: (MOMENTUM,),
}


class Learner:
    """A model and its optimisers.

    In bfloat16 the model computes with a copy of the weights, without a cast in any layer; gradients of each
    micro-batch are summed in float32, and the copy is updated after each step.

    Parameters
    ----------
    config
        Configuration of the model.
    settings
        Settings of the run.
    device, dtype
        Device and data type of the computation.
    compile_layers
        See `ppi.pretraining.encoder.MaskedEncoder`.
    """

    def __init__(
        self,
        config: EsmConfig,
        settings: PretrainSettings,
        *,
        device: torch.device,
        dtype: torch.dtype,
        compile_layers: bool = False,
    ) -> None:
        model = make_model(config, settings.seed).to(device)
        #: Model of the computation; its parameters are the float32 weights unless it computes in bfloat16.
        self.model = MaskedLanguageModel(model.to(dtype), compile_layers=compile_layers)
        self._copied: list[Tensor] = list(self.model.weights().values()) if dtype != torch.float32 else []
        # The weights are drawn again, because float32 cannot be restored from bfloat16.
        whole = (
            MaskedLanguageModel(make_model(config, settings.seed).to(device)) if self._copied else self.model
        )
        #: The float32 weights by their names in `EsmForMaskedLM`.
        self.weights: dict[str, nn.Parameter] = whole.weights()
        self._clip = settings.clip
        #: Optimisers by the name of the weight that they update.
        self._optimizers = _optimizers(self.weights, settings)

    def backward(self, batch: MaskedBatch, share: float) -> Tensor:
        """Add the gradient of a micro-batch times its share in the step; return its loss times this share."""
        loss = self.model.loss(batch) * share
        loss.backward()
        if self._copied:
            self._add_gradients()
        return loss.detach()

    def gradient_norm(self) -> Tensor:
        """Clip the gradient; return its norm before clipping."""
        return nn.utils.clip_grad_norm_(list(self.weights.values()), self._clip)

    def step(self, rate: float) -> None:
        """Update the weights by the gradient, and reset the gradient."""
        for optimizer in set(self._optimizers.values()):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
        self._copy_weights()

    def state(self) -> dict[str, Tensor]:
        """Return weights and moments in float32, by name; the same tensors, not copies."""
        tensors: dict[str, Tensor] = {}
        for name, weight in self.weights.items():
            tensors[f"weight/{name}"] = weight.detach()
            optimizer = self._optimizers[name]
            moments = optimizer.state.get(weight, {})
            for moment in _MOMENTS[type(optimizer)]:
                tensors[f"{moment}/{name}"] = moments.get(moment, torch.zeros_like(weight))
        return tensors

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load weights by their names; the state of the optimisers is unchanged."""
        for name, weight in self.weights.items():
            weight.copy_(weights[name])
        self._copy_weights()

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Restore the result of `state` after a number of steps; missing momentum starts at zero.

        Raises
        ------
        ModelError
            If the state belongs to another model.
        """
        expected = {name: tensor.shape for name, tensor in self.state().items()}
        begun = {name: torch.zeros(shape) for name, shape in expected.items() if name.startswith(MOMENTUM)}
        tensors = begun | tensors
        if {name: tensor.shape for name, tensor in tensors.items()} != expected:
            raise ModelError(
                "the checkpoint belongs to a model of another size; give the same depth and width"
            )
        self.load({name: tensors[f"weight/{name}"] for name in self.weights})
        for name, weight in self.weights.items():
            optimizer = self._optimizers[name]
            names = _MOMENTS[type(optimizer)]
            kept = {moment: tensors[f"{moment}/{name}"].to(weight.device) for moment in names}
            if isinstance(optimizer, AdamW):
                kept["step"] = torch.tensor(float(step), device=weight.device)
            optimizer.state[weight] = kept

    @torch.no_grad()
    def _add_gradients(self) -> None:
        totals, gradients = list[Tensor](), list[Tensor]()
        for weight, copied in zip(self.weights.values(), self._copied, strict=True):
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            assert copied.grad is not None
            totals.append(weight.grad)
            gradients.append(copied.grad)
            copied.grad = None
        torch._foreach_add_(totals, gradients)

    @torch.no_grad()
    def _copy_weights(self) -> None:
        if self._copied:
            torch._foreach_copy_(self._copied, [weight.detach() for weight in self.weights.values()])


def _optimizers(weights: dict[str, nn.Parameter], settings: PretrainSettings) -> dict[str, Optimizer]:
    """Return the optimiser of each weight.

    Matrices have weight decay, and are updated by Muon if it is chosen. Norms, biases and the token
    embeddings, which are also the output layer, are updated by AdamW without weight decay.
    """
    matrices = {
        name: weight for name, weight in weights.items() if weight.ndim == 2 and "embeddings" not in name
    }
    others = {name: weight for name, weight in weights.items() if name not in matrices}
    decay = settings.weight_decay
    of_others: Optimizer = AdamW(others.values(), betas=_BETAS, weight_decay=0.0, fused=True)
    of_matrices: Optimizer
    if settings.optimizer == "muon":
        of_matrices = Muon(matrices.values(), decay)
    else:
        of_matrices = AdamW(matrices.values(), betas=_BETAS, weight_decay=decay, fused=True)
    return dict.fromkeys(matrices, of_matrices) | dict.fromkeys(others, of_others)
