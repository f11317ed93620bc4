"""Make one mixture of the members of an ensemble ("BAM", Zhang et al. 2024), from which training starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from heads.base import Head
from ppi.errors import SettingsError
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.models.files import WEIGHTS_HASH
from ppi.models.folder import TrainedModel, load_model
from ppi.models.readouts.names import NETWORK
from ppi.training.settings import TrainSettings

MIXTURE = "mixture"
#: Fields of a configuration in which the members may differ.
_OWN = frozenset({"format_version", "members", "label_mean", "label_std", "tuning"})
#: Factor of the router's random weights: small enough for nearly equal weights of the experts.
_ROUTER = 0.01
#: Attributes of a head that hold a mixer, and that of a mixture that holds its experts.
_MIXERS, _EXPERTS = ("mixer", "receptor_mixer"), "experts"
#: Fields that a user may set beside the models: how the mixture routes, and what of the backbone is trained.
_FREE = frozenset({"mixer", "mixer_options", "tuning"})


@dataclass(frozen=True)
class Upcycling:
    """Members that become the experts of a mixture.

    The mixer of each member is an expert, and the router begins with nearly equal weights. Poolings and
    networks after the mixers cannot be added up in the same way, because those of two members have nothing in
    common but their shape: those of the first member are taken, in units of the labels of the new training.

    Attributes
    ----------
    models
        Their models.
    sources
        Name, number of members and hash of the weights of each model.
    """

    models: tuple[TrainedModel, ...]
    sources: list[dict[str, Any]]

    @classmethod
    def read(cls, paths: Sequence[str | os.PathLike[str]]) -> Upcycling:
        """Load model folders.

        Raises
        ------
        ModelError
            If one cannot be loaded.
        SettingsError
            If there are fewer than two members, their architectures differ, or they have no network as
            read-out, no mixer, or a backbone that was trained with them.
        """
        models = tuple(load_model(path) for path in paths)
        for path, trained in zip(paths, models, strict=True):
            _check(str(path), trained.model.config)
        first = _architecture(models[0].model.config)
        for path, trained in zip(paths[1:], models[1:], strict=True):
            other = _architecture(trained.model.config)
            for name in (name for name in first if first[name] != other[name]):
                raise SettingsError(
                    f"{path} has {name} {other[name]!r}, but {paths[0]} has {first[name]!r}; experts need "
                    "the same architecture"
                )
        sources = [
            {
                "name": Path(path).name,
                "members": trained.model.config.members,
                WEIGHTS_HASH: trained.manifest.get(WEIGHTS_HASH),
            }
            for path, trained in zip(paths, models, strict=True)
        ]
        found = cls(models, sources)
        if len(found.heads) < 2:
            raise SettingsError(
                f"{paths[0]} has one member, but a mixture needs two experts or more; give more models, or "
                "one that was trained with --members 2 or more"
            )
        return found

    @property
    def config(self) -> ModelConfig:
        """Configuration of the members."""
        return self.models[0].model.config

    @property
    def heads(self) -> list[Head]:
        """The members, in the order of the models."""
        return [cast(Head, head) for trained in self.models for head in trained.model.heads]

    def settings(self, given: TrainSettings) -> TrainSettings:
        """Return settings of a training whose model is the mixture.

        Parameters
        ----------
        given
            Settings; of the model, those that are set must be those of the members, but for the options of
            the mixture and the tuning.

        Raises
        ------
        SettingsError
            If a setting of the model is another, or the losses do not suit the outputs of the members.
        """
        asked, config = given.model, self.config
        fixed: dict[str, Any] = {
            "expert": config.mixer,
            "expert_options": config.mixer_options,
            "experts": len(self.heads),
        }
        of_members = {name: getattr(config, name) for name in asked.model_fields_set - _FREE}
        wanted = {**of_members, "mixer": MIXTURE, "members": 1}
        for name in sorted(asked.model_fields_set & wanted.keys()):
            _refuse_other(name, getattr(asked, name), wanted[name])
        for name in sorted(asked.mixer_options.keys() & fixed.keys()):
            _refuse_other(f"mixer_options.{name}", asked.mixer_options[name], fixed[name])
        if ("gaussian" in given.losses) != config.heteroscedastic:
            has, remedy = ("predict", "give") if config.heteroscedastic else ("do not predict", "leave out")
            raise SettingsError(
                f"the models to upcycle {has} the noise of the measurement; {remedy} --losses.gaussian"
            )
        kept = {name: getattr(config, name) for name in _architecture(config) if name != "heteroscedastic"}
        mixture = {"mixer": MIXTURE, "mixer_options": {**asked.mixer_options, **fixed}, "members": 1}
        model = ModelConfig.model_validate({**kept, **mixture, "tuning": asked.tuning})
        return given.model_copy(update={"model": model})

    def fill(self, model: AffinityModel) -> None:
        """Set the weights of the only head of a model with a mixture.

        Parameters
        ----------
        model
            Model with the configuration of `settings`, and the scale of the labels of its training.
        """
        members = [head.state_dict() for head in self.heads]
        head, own, new = model.head, self.config, model.config
        state = {name: _initial(name, tensor, members) for name, tensor in head.state_dict().items()}
        head.load_state_dict(state)
        head.rescale(own.label_std / new.label_std, (own.label_mean - new.label_mean) / new.label_std)


def _initial(name: str, tensor: Tensor, members: Sequence[dict[str, Tensor]]) -> Tensor:
    """Return the initial value of a weight of the mixture's head."""
    mixer, _, inside = name.partition(".")
    if mixer not in _MIXERS:
        return members[0][name]
    part, _, rest = inside.partition(".")
    if part != _EXPERTS:
        return _ROUTER * tensor
    number, _, weight = rest.partition(".")
    return members[int(number)][f"{mixer}.{weight}"]


def _refuse_other(name: str, given: object, fixed: object) -> None:
    if given != fixed:
        raise SettingsError(f"{name} is {given!r}, but the models to upcycle make it {fixed!r}; leave it out")


def _check(path: str, config: ModelConfig) -> None:
    if config.readout != NETWORK:
        raise SettingsError(
            f"{path} has the read-out {config.readout}, which has no members to make experts of; give a "
            "model that was trained with --readout network"
        )
    if config.mixer == "none":
        raise SettingsError(
            f"{path} has no mixer to make experts of; give a model with convbert or attention"
        )
    if not config.tuning.frozen:
        raise SettingsError(
            f"{path} has a backbone that was trained with its head, and experts share one backbone; give "
            "models with a frozen backbone"
        )


def _architecture(config: ModelConfig) -> dict[str, Any]:
    return config.model_dump(exclude=set(_OWN))
