"""Open a converted dataset with LeRobot's own class and train two steps of its ACT policy on it.

Run with the Python of an environment that has LeRobot (pip install lerobot==0.4.4; it wants another torch than wam):

    python scripts/check_lerobot.py lerobot/push
"""

import sys

import numpy as np
import torch
from lerobot.configs.types import FeatureType
from lerobot.datasets.compute_stats import get_feature_stats
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.datasets.utils import dataset_to_policy_features
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors

HORIZON, STEPS = 8, 2


def main(folder: str) -> None:
    torch.manual_seed(0)
    fps = LeRobotDataset("local/converted", root=folder).fps
    dataset = LeRobotDataset(
        "local/converted", root=folder, delta_timestamps={"action": [k / fps for k in range(HORIZON)]}
    )
    print(f"{dataset.num_episodes} episodes, {len(dataset)} frames, tasks {dataset.meta.tasks.index.tolist()}")
    compare_statistics(dataset)
    features = dataset_to_policy_features(dataset.meta.features)
    outputs = {name: found for name, found in features.items() if found.type is FeatureType.ACTION}
    small = {"dim_model": 64, "n_heads": 2, "dim_feedforward": 64, "n_encoder_layers": 1, "latent_dim": 8}
    config = ACTConfig(
        input_features={name: found for name, found in features.items() if name not in outputs},
        output_features=outputs,
        chunk_size=HORIZON,
        n_action_steps=HORIZON,
        pretrained_backbone_weights=None,
        device="cpu",
        **small,
    )
    policy, (prepare, _) = ACTPolicy(config), make_pre_post_processors(config, dataset_stats=dataset.meta.stats)
    optimiser = torch.optim.AdamW(policy.parameters(), 1e-4)
    batches = torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True)
    for step, batch in zip(range(STEPS), batches, strict=False):
        loss, _ = policy.forward(prepare(batch))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        print(f"step {step}: loss {loss.item():.3f}")


def compare_statistics(dataset: LeRobotDataset) -> None:
    """What the dataset says of its state and actions against LeRobot's own figures."""
    for name in ("observation.state", "action"):
        values = np.array(dataset.hf_dataset.with_format("numpy")[name], np.float64)
        found = get_feature_stats(values, axis=0, keepdims=False)
        for figure in ("min", "max", "mean", "std"):
            np.testing.assert_allclose(dataset.meta.stats[name][figure], found[figure], rtol=1e-5, atol=1e-6)
    print("statistics of state and action: as LeRobot computes them")


if __name__ == "__main__":
    main(sys.argv[1])
