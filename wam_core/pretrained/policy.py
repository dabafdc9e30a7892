"""Published weights as something that answers a benchmark's observations, in the benchmark's own numbers."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wam_core.contract import FloatArray, check_finite
from wam_core.data.statistics import denormalise, normalise
from wam_core.errors import ContractError, look_up
from wam_core.model import sampling
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.model.situation import Situation
from wam_core.preprocess.images import lay_out
from wam_core.presets import from_dict
from wam_core.pretrained.folder import Published, build_model, load_published
from wam_core.pretrained.text import PromptEncoder, load_text
from wam_core.substrates.substrate import Scenes, Substrate
from wam_core.training.batches import CLAMP


class PublishedPolicy:
    """Images, state and a task in; actions of the benchmark out. The same seed gives the same answers."""

    def __init__(
        self,
        weights: Published,
        text: PromptEncoder,
        video: Substrate,
        device: str = "cpu",
        seed: int = 0,
        runtime: str = "eager",
    ) -> None:
        self.preset, self.body = weights.preset, weights.body
        self.replan_steps = weights.preset.replan_steps
        self.model = build_model(weights).to(device)
        self._text, self._video, self._device = text, video, device
        conventions = weights.conventions
        self._method = conventions.normalisation
        self._action = weights.statistics["action_steps" if conventions.stepwise else "action"]
        self._state = weights.statistics["state"]
        self._binary = [i for i, name in enumerate(weights.body.action.names) if name in weights.body.binary]
        half = next(self.model.parameters()).dtype == torch.bfloat16
        self._runtime = look_up(RUNTIMES, runtime, "runtime")(self.model)
        self._precision = torch.autocast(torch.device(device).type, torch.bfloat16) if half else nullcontext()
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """The next answer is the first one under ``seed``."""
        self._seed, self._count = seed, 0

    @torch.no_grad()
    def act(self, images: Mapping[str, NDArray[np.uint8]], state: FloatArray, task: str) -> FloatArray:
        """``[horizon, A]`` in the units of the embodiment.

        Raises:
            ContractError: an image is missing or of another size, the state has another length or is not finite, or
                the task is empty or too long.
        """
        columns = self.body.proprioception
        if state.shape != (len(columns),):
            raise ContractError("state", state.shape, f"{len(columns)} numbers: {', '.join(columns)}")
        check_finite("state", state)
        picture = Scenes(lay_out(self.body, images, self.preset.layout)[None])
        present = self._video.encode(picture, np.zeros((1, 1), np.int64)).to(self._device)
        proprioception = np.clip(normalise(self._state, state, self._method), -CLAMP, CLAMP)
        rng = torch.Generator(self._device).manual_seed(self._seed * 1_000_003 + self._count)
        self._count += 1
        with self._precision:
            prompt = self._runtime.prompt(task, lambda: self._text.embed(task).to(self._device))
            own = torch.from_numpy(proprioception).float()[None].to(self._device)
            context = self.model.join(prompt.tokens, own).float()
            situation = Situation(self._runtime, {("video", "present"): present}, context, prompt)
            made = sampling.generate(situation, ["action"], self.preset.steps, rng)
        features = made["action"][0].double().cpu().numpy()
        flat = features if len(self._action.names) == features.shape[1] else features.reshape(-1)
        actions = denormalise(self._action, flat, self._method).reshape(features.shape)
        actions[:, self._binary] = np.where(actions[:, self._binary] > 0.5, 1.0, 0.0)
        check_finite("actions", actions)
        return actions


def load_policy(
    folder: Path, vae: str = "", text: str = "", device: str = "cpu", seed: int = 0, runtime: str = "eager"
) -> PublishedPolicy:
    """A policy from a folder that ``wam import`` wrote.

    Args:
        vae, text: where these components are, instead of where the import said.
        runtime: a key of :data:`RUNTIMES`.

    Raises:
        ContractError: a part is missing or does not fit.
    """
    weights = load_published(folder)
    if vae:
        raw = weights.preset.to_dict()
        raw["substrates"]["video"]["weights"] = vae
        weights = Published(from_dict(raw, "preset"), weights.body, weights.state, weights.statistics, weights.origin)
    encoder = load_text(text or str(weights.origin["text"]), weights.preset.text_length, weights.conventions.prompt)
    video = weights.preset.substrates["video"].build(weights.preset.clip)
    return PublishedPolicy(weights, encoder, video, device, seed, runtime)
