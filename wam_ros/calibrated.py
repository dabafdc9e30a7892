"""Images of a camera whose driver must say what the robot file says of its lens."""

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from wam_core.data.calibration import check_camera_info
from wam_core.errors import ContractError
from wam_core.preprocess.raw import RawImage, camera_image
from wam_core.robot.contract import Camera
from wam_ros.polled import PolledSubscription
from wam_ros.qos import SENSOR
from wam_ros.streams import Fault, StreamError


class CalibratedCamera:
    """Takes images over as long as the newest calibration heard on ``camera.camera_info`` is the robot file's."""

    def __init__(self, node: Node, camera: Camera) -> None:
        self._camera = camera
        self._queue = PolledSubscription(node, CameraInfo, camera.camera_info, SENSOR)
        self._problem = f"nothing received on {camera.camera_info}"

    def read(self, message: Image | CompressedImage) -> RawImage:
        """The image as it was sent.

        Raises:
            StreamError: no calibration was heard yet, or another than the robot file's.
            ContractError: the image does not fit the robot file.
        """
        newest = self._queue.newest()
        if newest is not None:
            try:
                check_camera_info(self._camera, newest)
                self._problem = ""
            except ContractError as error:
                self._problem = str(error)
        if self._problem:
            raise StreamError(self._camera.name, Fault.UNCALIBRATED, self._problem)
        return camera_image(self._camera, message)

    def destroy(self) -> None:
        self._queue.destroy()
