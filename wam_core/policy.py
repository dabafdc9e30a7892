"""A trained preset as something that answers observations: the one entry that nodes and evaluation use."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wam_core.contract import ActionChunk, Future, Observation, Prediction, check_finite
from wam_core.errors import ContractError
from wam_core.model.contents import patchify, unpatchify
from wam_core.paths import share_path
from wam_core.preprocess.images import preprocess, to_pixels
from wam_core.presets import preset_names
from wam_core.robot.binding import check_binding
from wam_core.robot.contract import RobotContract
from wam_core.training.batches import chunk_values, normalised
from wam_core.training.checkpoint import Checkpoint, load_checkpoint


def checkpoint_folder(model: str) -> Path:
    """Folder of a preset's shipped checkpoint, or the folder given by path.

    Raises:
        ContractError: neither a preset with a checkpoint nor a folder; the known presets are listed.
    """
    if Path(model).is_dir():
        return Path(model)
    names = preset_names()
    if model not in names:
        raise ContractError("model", model, f"a checkpoint folder or one of {', '.join(names)}")
    try:
        return share_path(f"checkpoints/{model}")
    except ContractError:
        raise ContractError("model", model, f"a trained checkpoint; train it with `wam train model:={model}`") from None


def load_policy(model: str, robot: RobotContract, seed: int = 0) -> "Policy":
    """Load a preset's checkpoint for ``robot``.

    Raises:
        ContractError: unknown model, missing or corrupt checkpoint, or a robot other than it was trained for.
    """
    checkpoint = load_checkpoint(checkpoint_folder(model))
    check_binding(checkpoint.robot, robot)
    return Policy(checkpoint, seed)


class Policy:
    """Observations in, chunks and futures out.

    Attributes:
        name: the preset. cameras: images it looks at, in order. horizon, replan_steps: in chunk steps.
        steps: denoising steps, may be changed at run time.
        seed, sequence: the number of the next chunk; the two together decide its noise.
    """

    def __init__(self, checkpoint: Checkpoint, seed: int) -> None:
        preset = checkpoint.preset
        self.checkpoint = checkpoint
        self.name = preset.name
        self.cameras = preset.layout.cameras
        self.horizon = preset.horizon
        self.replan_steps = preset.replan_steps
        self.steps = preset.steps
        self.seed = seed
        self.sequence = 0

    def check_instruction(self, instruction: str) -> None:
        """Raise :class:`ContractError` naming the first word the model does not know."""
        self.checkpoint.model.text.tokenize(instruction)

    def act(self, observation: Observation, imagine: bool = False) -> Prediction:
        """Predict a chunk, and with ``imagine`` the future video as well.

        Raises:
            ContractError: an image, the proprioception or the instruction does not fit.
        """
        c, preset = self.checkpoint, self.checkpoint.preset
        check_finite("observation.proprioception", observation.proprioception)
        image, regions = preprocess(c.robot, observation.images, preset.layout)
        words = c.model.text.tokenize(observation.instruction)[None]
        proprioception = normalised(c.statistics["proprioception"], observation.proprioception)[None]
        imagine = imagine and "future" in c.model.wiring.groups
        with torch.no_grad():
            first = c.vae.encode(torch.from_numpy(image)[None, :, None])
            generated = c.model.generate(
                {"first_frame": patchify(first, preset.patch)},
                c.model.context(words, proprioception),
                ("action", "future") if imagine else ("action",),
                self.steps,
                torch.Generator().manual_seed(self.seed * 1_000_003 + self.sequence),
            )
            actions = generated["action"][0]
            values = chunk_values(c.robot, c.statistics["action"], actions, observation.proprioception)
            futures = (self._future(observation, first, generated["future"], regions),) if imagine else ()
        check_finite("chunk.values", values)
        step_ns = c.robot.step_ns
        chunk = ActionChunk(
            stamp_ns=observation.stamp_ns,
            start_ns=observation.stamp_ns + step_ns,
            step_ns=step_ns,
            names=c.robot.action.names,
            space=c.robot.action.space,
            values=values,
            sequence=self.sequence,
            model=self.name,
        )
        self.sequence += 1
        return Prediction(chunk, futures)

    def _future(
        self,
        observation: Observation,
        first: torch.Tensor,
        features: torch.Tensor,
        regions: dict[str, tuple[int, int, int, int]],
    ) -> Future:
        c, preset = self.checkpoint, self.checkpoint.preset
        latents = torch.cat((first, unpatchify(features, preset.patch, c.model.spec.sizes.latent)), dim=2)
        video = c.vae.decode(latents)[0, :, 1:].permute(1, 0, 2, 3).numpy()
        frames: NDArray[np.uint8] = to_pixels(video)
        step_ns = preset.frame_stride * c.robot.step_ns
        return Future(observation.stamp_ns, "video", step_ns, frames, regions, self.sequence)
