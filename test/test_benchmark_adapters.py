"""LIBERO and RoboTwin behind the protocol, as far as that can be seen without them: with stubs in the server's process.

Neither simulator was at hand: what the stubs do is what their public code says.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from wam_core.benchmarks.simulator import Simulator
from wam_core.benchmarks.table import FOLDER
from wam_core.errors import ContractError
from wam_core.preprocess.images import lay_out
from wam_core.presets import load_preset
from wam_core.robot.embodiment import load_embodiment

RUN = """
import runpy, sys
sys.path[:0] = [sys.argv[1], "."]
runpy.run_module("server." + sys.argv[2], run_name="__main__")
"""

LIBERO = """
import numpy as np

class Task:
    def __init__(self, name): self.name, self.language = name, name.replace("_", " ")
    problem_folder, bddl_file = "folder", "task.bddl"

class Suite:
    n_tasks = 2
    def get_task(self, i): return Task(("put_it_there", "close_the_drawer")[i])
    def get_task_init_states(self, i): return np.arange(3.0)[:, None]

class benchmark:
    @staticmethod
    def get_benchmark_dict():
        return dict.fromkeys(("libero_spatial", "libero_object", "libero_goal", "libero_10", "libero_90"), Suite)

def get_libero_path(what): return "/" + what
"""
LIBERO_ENVS = '''
import numpy as np

class OffScreenRenderEnv:
    """Its picture is red above and blue below; what it is told is its tool's position and its fingers'."""
    def __init__(self, bddl_file_name, camera_heights, camera_widths):
        assert bddl_file_name == "/bddl_files/folder/task.bddl"
        self.size = (camera_heights, camera_widths)
    def seed(self, seed): pass
    def reset(self): self.told, self.steps = np.zeros(7), 0
    def close(self): pass
    def set_init_state(self, state):
        self.start = float(state[0])
        return self._seen()
    def step(self, action):
        assert len(action) == 7
        self.told, self.steps = np.asarray(action), self.steps + 1
        return self._seen(), 0.0, self.steps == 13, {}
    def _seen(self):
        image = np.zeros((*self.size, 3), np.uint8)
        image[: self.size[0] // 2, :, 0] = image[self.size[0] // 2 :, :, 2] = 255
        return {
            "agentview_image": image, "robot0_eye_in_hand_image": image // 2,
            "robot0_eef_pos": np.array([self.start, self.told[0], self.steps]),
            "robot0_eef_quat": np.array([0.0, 0.0, np.sin(0.3), np.cos(0.3)]),
            "robot0_gripper_qpos": np.array([self.told[6], -self.told[6]]),
        }
'''
ROBOTWIN_TASK = '''
import numpy as np

class lift:
    """Scenes whose seed is even cannot be solved; an action is where the joints are next."""
    def setup_demo(self, now_ep_num, seed, is_test, **settings):
        assert is_test and settings["eval_mode"] and settings["left_robot_file"] == "./assets/arm"
        assert settings["left_embodiment_config"] == {"joints": 6} and settings["dual_arm_embodied"]
        kinds = {settings["camera"][f"{place}_camera_type"] for place in ("head", "wrist")}
        assert kinds == {"Large_D435"} and settings["camera"]["collect_wrist_camera"]
        self.seed, self.size = seed, (settings["head_camera_h"], settings["head_camera_w"])
        self.q, self.take_action_cnt, self.step_lim, self.eval_success = np.zeros(14), 0, 5, False
        if seed % 3 == 0:
            raise RuntimeError("unstable")
    def play_once(self):
        self.plan_success = True
        return {"info": {"scene": self.seed}}
    def check_success(self): return self.seed % 2 == 1
    def set_instruction(self, instruction): self.instruction = instruction
    def close_env(self): pass
    def take_action(self, action, action_type):
        assert action_type == "qpos"
        self.q, self.take_action_cnt = action, self.take_action_cnt + 1
        self.eval_success = bool(action[6] > 0.5)
    def get_obs(self):
        names = ("head_camera", "left_camera", "right_camera")
        images = {n: {"rgb": np.full((*self.size, 3), 10 * (k + 1), np.uint8)} for k, n in enumerate(names)}
        return {"observation": images, "joint_action": {"vector": self.q}}
'''
ROBOTWIN_WORDS = """
def generate_episode_descriptions(task, episodes, count):
    scene = episodes[0]["scene"]
    return [{"seen": ["never this"], "unseen": [f"{task} in {scene}, said as {k}" for k in range(count)]}]
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def server(name: str, stubs: Path) -> Simulator:
    return Simulator(name, (sys.executable, "-c", RUN, str(stubs), name), FOLDER, load_embodiment(name))


@pytest.fixture
def libero(tmp_path: Path) -> Path:
    files = {"libero/__init__.py": "", "libero/libero/__init__.py": LIBERO, "libero/libero/envs.py": LIBERO_ENVS}
    return write(tmp_path, files)


@pytest.fixture
def robotwin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = {"embodiment": ["arm"], "camera": {"head_camera_type": "D435", "wrist_camera_type": "D435"}}
    files = {
        "envs/lift.py": ROBOTWIN_TASK,
        "envs/_base_task.py": "",
        "description/utils/generate_episode_instructions.py": ROBOTWIN_WORDS,
        "task_config/demo_clean.yml": yaml.safe_dump(settings),
        "task_config/demo_randomized.yml": yaml.safe_dump(settings),
        "task_config/_camera_config.yml": yaml.safe_dump({"Large_D435": {"h": 480, "w": 640}}),
        "task_config/_embodiment_config.yml": yaml.safe_dump({"arm": {"file_path": "./assets/arm"}}),
        "assets/arm/config.yml": yaml.safe_dump({"joints": 6}),
    }
    monkeypatch.setenv("ROBOTWIN", str(tmp_path))
    return write(tmp_path, files)


def test_libero_is_turned_once_opens_its_gripper_and_starts_where_the_seed_says(libero: Path) -> None:
    """Turned twice or never, a picture is upside down; a gripper with the other sign closes where it is to open."""
    with server("libero", libero) as simulator:
        assert len(simulator.tasks) == 10
        assert simulator.reset("libero_goal/put_it_there", 4) == "put it there"
        settled = simulator.observe(("agent", "wrist"))
        # Initial state 4 modulo 3, after ten steps of rest with an open gripper, which the controller calls -1.
        np.testing.assert_allclose(settled.state[:3], [1.0, 0.0, 10.0])
        np.testing.assert_allclose(settled.state[3:6], Rotation.from_rotvec([0, 0, 0.6]).as_rotvec())
        np.testing.assert_allclose(settled.state[6:], [-1.0, 1.0])
        simulator.step(np.array([0.25, 0, 0, 0, 0, 0, 0.0]))
        np.testing.assert_allclose(simulator.observe(()).state[[1, 6]], [0.25, 1.0])
        outcomes = [simulator.step(np.zeros(7)) for _ in range(2)]
    assert [outcome.success for outcome in outcomes] == [False, True]
    picture = lay_out(simulator.body, settled.images, load_preset("fast_wam_libero").layout)
    # Blue was below as it was rendered; the policy sees it above, and the agent's view to the left.
    assert picture[0, 0].tolist() == [0, 0, 255] and picture[-1, 0].tolist() == [255, 0, 0]
    assert picture[0, -1].tolist() == [0, 0, 127]


def test_an_episode_of_libero_ends_when_its_suite_says(libero: Path) -> None:
    with server("libero", libero) as simulator:
        simulator.reset("libero_spatial/put_it_there", 0)
        over = [simulator.step(np.zeros(7)).over for _ in range(220)]
    assert over.index(True) == 219


def test_robotwin_sets_scenes_up_that_can_be_solved_and_says_what_no_demonstration_said(robotwin: Path) -> None:
    """A scene that nobody can solve counts as the policy's failure."""
    with server("robotwin", robotwin) as simulator:
        assert simulator.tasks == ("demo_clean/lift", "demo_randomized/lift")
        said = simulator.reset("demo_clean/lift", 0)
        assert said.startswith("lift in 100001, said as ")
        assert simulator.reset("demo_clean/lift", 0) == said
        assert simulator.reset("demo_clean/lift", 1).startswith("lift in 100103")
        action = np.linspace(0.0, 0.6, 14)
        outcomes = [simulator.step(action) for _ in range(5)]
        seen = simulator.observe(("head", "left_wrist", "right_wrist"))
        assert simulator.step(np.full(14, 0.7)).success
    assert [outcome.over for outcome in outcomes] == [False] * 4 + [True]
    assert not any(outcome.success for outcome in outcomes)
    np.testing.assert_allclose(seen.state, action)
    assert [int(image[0, 0, 0]) for image in seen.images.values()] == [10, 20, 30]


def test_neither_has_an_expert_and_robotwin_asks_where_it_is(
    libero: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server("libero", libero) as simulator:
        simulator.reset("libero_goal/put_it_there", 0)
        with pytest.raises(ContractError, match="a benchmark with a scripted expert"):
            simulator.expert()
    monkeypatch.delenv("ROBOTWIN", raising=False)
    with pytest.raises(ContractError, match="name the folder of RoboTwin's checkout"):
        server("robotwin", tmp_path)
