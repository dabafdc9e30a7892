"""Draw one red square with the named renderer; the exit status says whether it came out red."""

import sys

import mujoco

from wam_core.cell.rendering import RENDERERS

TEST_SCENE = """
<mujoco>
  <visual><headlight active="0"/></visual>
  <worldbody>
    <light type="directional" ambient="1 1 1" diffuse="0 0 0" castshadow="false"/>
    <camera name="eye" pos="0 0 1"/>
    <geom type="box" size="1 1 .1" rgba="1 0 0 1"/>
  </worldbody>
</mujoco>
"""


def main() -> int:
    model = mujoco.MjModel.from_xml_string(TEST_SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    middle = RENDERERS[sys.argv[1]](model).colour(data, "eye", 16, 16)[8, 8]
    return 0 if middle[0] > 200 and middle[1:].max() < 50 else 1


if __name__ == "__main__":
    sys.exit(main())
