"""What a user may set on wam_inference."""

from rclpy.lifecycle import LifecycleNode

from wam_core.continuation import CONTINUATIONS
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.preprocess.table import PREPROCESSORS
from wam_ros.parameters import declare, fix_at_configure

#: The model's own way of going on from the chunk in progress.
AUTO = "auto"

def declare_parameters(node: LifecycleNode) -> None:
    """Declare them all; those of the model and its topics change at configure alone."""
    declare(node, "robot", "panda_cell", "Robot file in config/robots, or its path", read_only=True)
    declare(node, "model", "", "Preset in config/wam or checkpoint folder; empty: the preset of the parameter file")
    declare(node, "name", "fast_wam", "Name of the preset whose parameter file was given", read_only=True)
    when = "When to predict the future: auto is when somebody listens"
    declare(node, "imagine", "auto", when, choices=("auto", "always", "never"))
    often = "Least time between two predicted futures (s): between them the processor is left to chunks"
    declare(node, "imagine_period_s", 1.0, often, (0.0, 60.0))
    declare(node, "replan_steps", 0, "Chunk steps until the next chunk takes over, 0: as the model", (0, 1024))
    seam = "What of the chunk in progress the next one goes on from; auto: real_time_chunking for a model that can"
    declare(node, "seam", AUTO, seam, choices=(AUTO, *CONTINUATIONS))
    declare(node, "threads", 1, "CPU threads of the model, 0: as torch chooses", (0, 256))
    declare(node, "runtime", "eager", "How the model is computed", choices=tuple(RUNTIMES))
    declare(node, "preprocess", "opencv", "What makes the model's picture of images", choices=tuple(PREPROCESSORS))
    _declare_dial(node)
    declare(node, "success_topic", "/wam_cell/success", "std_msgs/Bool that says whether the task is done")
    declare(node, "status_topic", "/wam_executor/status", "Status of the executor; a latched stop ends what runs")
    fix_at_configure(node, ("model", "threads", "runtime", "preprocess", "success_topic", "status_topic", "curve"))


def _declare_dial(node: LifecycleNode) -> None:
    """What a chunk may cost; all but the curve change while it runs, and count from the next chunk on."""
    declare(node, "denoising_steps", 0, "Denoising steps, 0: as the model", (0, 1000))
    far = "How far imagined futures reach (chunk steps), 0: the whole chunk"
    declare(node, "imagined_horizon", 0, far, (0, 1024))
    once = "Denoising steps that what is denoised beside the chunk is computed once for, 1: in each"
    declare(node, "cache_reuse", 1, once, (1, 1000))
    budget = "What a chunk may take, 19 of 20 of them (ms); the curve turns the dial for it; 0: as the other parameters"
    declare(node, "latency_budget_ms", 0.0, budget, (0.0, 1e6))
    declare(node, "curve", "", "File of `wam bench curve`; empty: the one beside the checkpoint, if there is one")
