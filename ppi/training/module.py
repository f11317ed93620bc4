"""The Lightning module that trains a head, and optionally its backbone, on standardised pKd."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from heads.base import Head
from heads.mixers.base import Mixer
from heads.ragged import RaggedBatch
from ppi.backbones.encoder import PackedEncoder
from ppi.embedding.sources import LiveUnits, UnitEmbeddings
from ppi.errors import TrainingError
from ppi.metrics import spearman
from ppi.models.tuning import parameter_groups, tuned_names
from ppi.training.data import Examples
from ppi.training.diversification import diversified, row_similarities
from ppi.training.loss_names import DIVERSIFICATION
from ppi.training.losses import RANKING, total_loss
from ppi.training.sampling import micro_batches
from ppi.training.settings import Schedule, TrainSettings
from ppi.training.sharding import full_tensor, shard

MONITOR = "validation_spearman"
GRADIENT_CLIP = 1.0
#: A layer with more inputs than this has a lower learning rate; see `head_groups`.
REFERENCE_INPUTS = 128
#: In bfloat16, batches are padded to a multiple of this to have few shapes, like lengths in
#: `heads.kernels.dense`.
FILLED_ROWS = 512


class AffinityModule(lightning.LightningModule):
    """Training with AdamW and warm-up on the losses of an effective batch, which may be computed in pieces.

    A batch is a list of row numbers. Its residues are gathered from the embeddings, or embedded in each step
    if the backbone is trained.

    Parameters
    ----------
    head
        Head to train.
    embeddings
        Embeddings of the units of all examples; `LiveUnits` if the backbone is trained.
    train, validation
        Training and validation examples.
    settings
        Settings of the run.
    steps
        Number of optimiser steps of the run, for the schedule.
    seed
        Seed of dropout. It is set again in each epoch, so that a resumed run gives the same result as an
        uninterrupted one.
    """

    def __init__(
        self,
        head: Head,
        embeddings: UnitEmbeddings,
        train: Examples,
        validation: Examples,
        settings: TrainSettings,
        steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.head, self.embeddings = head, embeddings
        self.examples, self.validation = train, validation
        self.settings, self.steps, self.seed = settings, steps, seed
        self._diversification = settings.losses.get(DIVERSIFICATION, 0.0)
        self._diversified = diversified(head, settings.model) if self._diversification else {}
        self.backbone = embeddings.backbone if isinstance(embeddings, LiveUnits) else None
        if self.backbone is not None:
            self.backbone.train()  # This enables the dropout of adapters.
        # The gradient of a batch is summed over its pieces, and the optimiser steps after the last one.
        self.automatic_optimization = False
        # A checkpoint contains what is trained, not a frozen backbone.
        self.strict_loading = False
        self._trained = tuned_names(self)
        self._predicted: list[tuple[np.ndarray, np.ndarray]] = []

    def forward(self, examples: Examples, rows: list[int]) -> Tensor:
        """Return the ``(B, O)`` outputs of the head for some rows."""
        batch = self.embeddings.gather([examples.encoded[row] for row in rows]).to(self.device)
        return head_outputs(self.head, batch, low=self.settings.head_precision == "bfloat16")

    def on_train_batch_start(self, rows: list[int], index: int) -> None:
        # This is not in the hook at the start of an epoch, which Lightning skips for the first one of a
        # resumed run.
        if index == 0:
            rank = [self.global_rank] if self.global_rank else []
            state = np.random.SeedSequence([self.seed, self.current_epoch, *rank]).generate_state(1)
            torch.manual_seed(int(state[0]))

    def training_step(self, rows: list[int], index: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = self._backward(rows)
        norm = float(full_tensor(torch.nn.utils.clip_grad_norm_(self._trained_parameters(), GRADIENT_CLIP)))
        if not math.isfinite(loss + norm):
            what = "a gradient is not finite" if math.isfinite(loss) else f"the loss is {loss}"
            raise TrainingError(
                f"{what} in batch {index + 1} of epoch {self.current_epoch + 1}; start a new run with a "
                "lower learning rate"
            )
        optimizer.step()
        self.lr_schedulers().step()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(rows))

    def on_validation_epoch_start(self) -> None:
        for _ in range(self._missing(int(sum(self.trainer.num_val_batches)))):
            self(self.validation, [0])  # This process only computes as often as the others.

    def validation_step(self, rows: list[int], index: int) -> None:
        score = self(self.validation, rows)[:, 0].cpu().numpy()
        self._predicted.append((self.validation.target[rows], score))

    def on_validation_epoch_end(self) -> None:
        parts = [part for of_rank in self._of_all_ranks(self._predicted) for part in of_rank]
        target, predicted = (np.concatenate(values) for values in zip(*parts, strict=True))
        self._predicted.clear()
        self.log(MONITOR, spearman(target, predicted), prog_bar=True)
        self.log("validation_mse", float(((predicted - target) ** 2).mean()))

    def configure_model(self) -> None:
        if self.device_mesh is not None:
            assert isinstance(self.backbone, PackedEncoder)  # A frozen backbone is rejected before.
            shard(self.backbone, self.head, self.device_mesh["data_parallel"])

    def configure_optimizers(self) -> dict[str, object]:
        settings = self.settings
        groups = head_groups(self.head, settings.learning_rate)
        if self.backbone is not None:
            groups += parameter_groups(self.backbone, settings.model.tuning, settings.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        warmup = max(1, round(settings.warmup_fraction * self.steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, warmup, self.steps, settings.schedule)
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {
            name: tensor
            for name, tensor in state.items()
            if name.startswith("head.") or name in self._trained
        }

    def _backward(self, rows: list[int]) -> float:
        """Add the gradient of the loss of an effective batch, and return the loss."""
        examples = self.examples
        pieces = list(micro_batches(examples.lengths, rows, self.settings.micro_budget))
        missing = self._missing(len(pieces))
        if len(pieces) + missing > 1 and RANKING & self.settings.losses.keys():
            # A ranking loss needs all scores at once, so each piece is computed again when its gradient is
            # known. The tensor tells the checkpoint the device of dropout, to repeat the same draws.
            place = torch.empty(0, device=self.device)
            found = [
                checkpoint(lambda _, piece: self._scored(piece), place, piece, use_reentrant=False)
                for piece in pieces + pieces[:1] * missing
            ]
            scored = [row for piece in pieces for row in piece]
            # Outputs beyond `scored` are only computed, with zero weight.
            every = torch.cat([outputs for outputs, _ in found])
            shares = [*(self._share(piece, rows) for piece in pieces), *[0.0] * missing]
            auxiliary = sum(share * added for share, (_, added) in zip(shares, found, strict=True))
            outputs = every[: len(scored)] + 0 * every[len(scored) :].sum()
            return self._add_gradient(outputs, auxiliary, scored, 1.0)
        loss = 0.0
        for piece in pieces:
            with self._synchronised(piece is pieces[-1]):
                loss += self._add_gradient(*self._scored(piece), piece, self._share(piece, rows))
        for _ in range(missing):
            self.manual_backward(0 * sum(part.sum() for part in self._scored(pieces[0])))
        return loss

    def _scored(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """Return the ``(B, O)`` outputs for some training rows, and the auxiliary loss of the mixers.

        The latter includes the diversification loss, which is the mean over all calls of their attentions.
        """
        with row_similarities(self._diversified) as similarities:
            outputs = self(self.examples, rows)
        auxiliary = auxiliary_loss(self.head, outputs)
        if similarities:
            auxiliary = auxiliary + self._diversification * torch.stack(similarities).mean()
        return outputs, auxiliary

    def _share(self, piece: list[int], rows: list[int]) -> float:
        """Return the share of a piece in the loss of its batch."""
        weight = self.examples.weight
        return float(weight[piece].sum() / weight[rows].sum())

    def _missing(self, computed: int) -> int:
        """Return how many computations this process has to add, because all processes need the same
        number.
        """
        if self.device_mesh is None:
            return 0
        return max(self._of_all_ranks(computed)) - computed

    def _synchronised(self, last: bool) -> AbstractContextManager[None]:
        """Synchronise the processes, which may have different numbers of pieces, once per step after the last
        one.
        """
        strategy = self.trainer.strategy
        if last or not hasattr(strategy, "block_backward_sync"):
            return nullcontext()
        context: AbstractContextManager[None] = strategy.block_backward_sync()
        return context

    def _add_gradient(self, outputs: Tensor, auxiliary: Tensor, rows: list[int], share: float) -> float:
        target, weight = (
            torch.tensor(values[rows], dtype=torch.float32, device=self.device)
            for values in (self.examples.target, self.examples.weight)
        )
        loss = share * (total_loss(self.settings.label_losses, outputs, target, weight) + auxiliary)
        self.manual_backward(loss)
        return float(loss.detach())

    def _trained_parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def _of_all_ranks(self, own: Any) -> list[Any]:
        if self.trainer.world_size == 1:
            return [own]
        gathered: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(gathered, own)
        return gathered


def head_groups(head: Head, learning_rate: float) -> list[dict[str, Any]]:
    """Return the parameters of a head in groups of one learning rate.

    A step of Adam changes the output of a layer in proportion to its inputs. Where the head reads several
    layers of a language model, its own layers have thousands of inputs, so their rate is multiplied by
    `REFERENCE_INPUTS` over the inputs (Yang et al. 2022, "Tensor Programs V"). All other heads keep one rate.
    """
    if head.scaling is None:
        return [{"params": list(head.parameters()), "lr": learning_rate}]
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for parameter in head.parameters():
        inputs = parameter.shape[1] if parameter.dim() == 2 else 1
        rate = learning_rate * min(1.0, REFERENCE_INPUTS / inputs)
        groups.setdefault(rate, []).append(parameter)
    return [
        {"params": parameters, "lr": rate}
        for rate, parameters in sorted(groups.items(), key=lambda item: -item[0])
    ]


def head_outputs(head: Head, batch: RaggedBatch, *, low: bool) -> Tensor:
    """Return ``(B, O)`` float32; if `low`, the embeddings and the computation are in bfloat16."""
    if not low:
        return head.all_outputs(batch)
    batch = batch.with_values(batch.values.bfloat16())  # The cast is done once, not in each layer.
    with torch.autocast(batch.values.device.type, torch.bfloat16):
        return head.all_outputs(batch.filled(FILLED_ROWS)).float()[: len(batch)]


def auxiliary_loss(head: Head, outputs: Tensor) -> Tensor:
    """Return the sum of the auxiliary losses of a head's mixers for its last `outputs`, in float32."""
    mixers = (part for part in head.modules() if isinstance(part, Mixer))
    losses = [loss.float() for mixer in mixers if (loss := mixer.auxiliary_loss()) is not None]
    return torch.stack(losses).sum() if losses else outputs.new_zeros(())


def rate_factor(step: int, warmup: int, steps: int, schedule: Schedule) -> float:
    """Return the factor of the learning rate: linear to 1 over `warmup` steps, then by the schedule.

    The cosine schedule reaches 0 at `steps`.
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
