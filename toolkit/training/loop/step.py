"""Training step: forward and backward per batch, and an optimiser step per group of accumulated batches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.training.loop.distributed import Processes
from toolkit.training.losses import Loss
from toolkit.training.optimization.optimizers import needs_closure
from toolkit.training.optimization.precision import Precision
from toolkit.training.settings import Settings

__all__ = ["Step", "check_closure"]


class Step:
    """Training step: `learn` accumulates the gradients of a batch; `apply` steps the optimiser.

    The gradients of a group of `settings.accumulate` batches, over all processes, are the mean over its examples, whatever
    the sizes of the batches: each batch's are multiplied by its number of examples, and their sum is divided by all.

    Args:
        network: whose gradients are computed.
        loss: the loss to minimise.
        optimizer: made of the network's parameters.
        settings: accumulation, clipping, compilation.
        precision: precision of the forward pass.
        processes: the processes over which gradients are averaged.
        spare: gives a batch for a process whose share of a global batch is empty; its gradients are multiplied by 0.

    Raises:
        SpecError: the optimiser cannot do what the settings ask for.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
        settings: Settings,
        precision: Precision,
        processes: Processes,
        spare: Callable[[], tuple[torch.Tensor, torch.Tensor]],
    ) -> None:
        self.loss, self.optimizer, self.settings = loss, optimizer, settings
        self.precision, self.processes, self.spare = precision, processes, spare
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.by_closure = needs_closure(settings.optimizer)
        check_closure(settings, precision, processes)
        self.plain = settings.accumulate == 1 and processes.world == 1
        self.forward: Callable[[torch.Tensor], torch.Tensor] = loss.forward
        if settings.compile:
            from toolkit.training.loop.compilation import compiled

            self.forward = compiled(self.forward)
        self._joined = processes.join(_Forward(network, self.forward)) if processes.world > 1 else None
        if self._joined is not None:
            self.forward = self._joined
        self.weight = 0.0  # examples whose gradients wait for `apply`
        optimizer.zero_grad()

    def learn(
        self, inputs: torch.Tensor, targets: torch.Tensor, last: bool = True
    ) -> tuple[torch.Tensor | None, torch.Tensor, float]:
        """Add the gradients of a batch.

        Args:
            inputs: (B, ...), on the network's device.
            targets: as the loss takes them.
            last: True if `apply` follows, so that the processes exchange their gradients now.

        Returns:
            (outputs, None where the batch counts for nothing; the mean loss, a scalar; the number of examples)
        """
        weight = self.loss.weight(targets) if len(inputs) else 0.0
        if self.by_closure:
            return *self._learn_by_closure(inputs, targets), weight
        if weight == 0:
            return None, self._take_part(last), 0.0
        outputs, value = self._loss(inputs, targets, last)
        self._backward(value if self.plain else value * (weight / self.settings.batch_size), last)
        self.weight += weight
        return outputs, value.detach(), weight

    def apply(self) -> bool:
        """Step the optimiser with the gradients of the group; returns True if the weights may have changed."""
        if self.by_closure:
            return True
        weight, self.weight = self.weight, 0.0
        scaler = self.precision.scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        if not self.plain:
            (weight,) = self.processes.sum(weight)
            if weight:  # the processes' gradients arrive as their mean
                self._multiply(self.settings.batch_size * self.processes.world / weight)
        changed = weight > 0
        if changed:
            self._clip()
            changed = self._step(scaler)
        self.optimizer.zero_grad()
        return changed

    def state(self) -> dict[str, Any]:
        """The gradients of an unfinished group, on the CPU."""
        gradients = [None if p.grad is None else p.grad.detach().cpu() for p in self.parameters]
        return {"weight": self.weight, "gradients": gradients}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned. Raises KeyError, RuntimeError, TypeError or ValueError for anything else."""
        for parameter, gradient in zip(self.parameters, state["gradients"], strict=True):
            if gradient is not None and gradient.shape != parameter.shape:
                raise ValueError(f"a gradient of shape {tuple(gradient.shape)} for weights of {tuple(parameter.shape)}")
            parameter.grad = None if gradient is None else gradient.to(parameter)
        self.weight = float(state["weight"])

    def _loss(self, inputs: torch.Tensor, targets: torch.Tensor, last: bool) -> tuple[torch.Tensor, torch.Tensor]:
        try:
            with self._exchange(last), self.precision.autocast():
                outputs = self.forward(inputs)
        except RuntimeError as error:
            if "finished reduction in the prior iteration" not in str(error):
                raise
            raise SpecError(
                "Some of the network's weights take no part in its loss, and the processes wait for their gradients. Freeze "
                "those layers with freeze=, or train in one process."
            ) from error
        return outputs, self.loss(outputs, targets)

    def _backward(self, value: torch.Tensor, last: bool) -> None:
        scaler = self.precision.scaler
        with self._exchange(last):
            torch.autograd.backward(value if scaler is None else scaler.scale(value))

    def _exchange(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Context manager of `backward`: exchange gradients between processes once per group, not once per batch."""
        return contextlib.nullcontext() if last or self._joined is None else self._joined.no_sync()  # type: ignore[operator]

    def _take_part(self, last: bool) -> torch.Tensor:
        """Zero loss for an empty share; takes part in the gradient exchange, for which the other processes wait."""
        if self._joined is None:
            return torch.zeros((), device=self.parameters[0].device)
        _, value = self._loss(*self.spare(), last)
        self._backward(value * 0, last)
        return torch.zeros_like(value)

    def _learn_by_closure(self, inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Step of an optimiser with a closure, which may compute the loss several times; (first outputs, loss)."""
        first: list[torch.Tensor] = []

        def closure() -> torch.Tensor:
            self.optimizer.zero_grad()
            outputs, value = self._loss(inputs, targets, True)
            self._backward(value, True)
            self._clip()
            first.append(outputs.detach())
            return value

        value = self.optimizer.step(closure)  # type: ignore[arg-type]
        self.optimizer.zero_grad()
        return first[0], torch.as_tensor(value).detach()

    def _multiply(self, factor: float) -> None:
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        dense = [gradient for gradient in gradients if not gradient.is_sparse]
        if dense:
            torch._foreach_mul_(dense, factor)  # one kernel instead of one per layer
        for gradient in gradients:
            if gradient.is_sparse:
                gradient.mul_(factor)

    def _clip(self) -> None:
        if self.settings.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.parameters, self.settings.clip_value)
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_norm)

    def _step(self, scaler: torch.amp.GradScaler | None) -> bool:
        if scaler is None:
            self.optimizer.step()
            return True
        before = scaler.get_scale()
        scaler.step(self.optimizer)
        scaler.update()
        return scaler.get_scale() >= before  # it falls when gradients overflowed, and the step was left out


def check_closure(settings: Settings, precision: Precision, processes: Processes) -> None:
    """Raise SpecError for what an optimiser that computes the loss anew cannot do."""
    wishes = {
        f"accumulate={settings.accumulate}": settings.accumulate > 1,
        "precision='fp16'": precision.scaler is not None,
        f"{processes.world} processes": processes.world > 1,
    }
    for wish, given in wishes.items():
        if given and needs_closure(settings.optimizer):
            raise SpecError(
                f"The optimiser {settings.optimizer!r} computes the loss several times a step, which does not go together with "
                f"{wish}. Leave that out, or take another optimiser."
            )


class _Forward(torch.nn.Module):
    """The forward pass that the loss wants, as the module that the processes join."""

    def __init__(self, network: torch.nn.Module, forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.network = network
        self._forward = forward

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._forward(inputs)
