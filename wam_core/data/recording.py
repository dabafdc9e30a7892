"""Messages and metadata of one recording: an MCAP file, finished or cut off, or a rosbag2 folder."""

import json
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import error as ZlibError  # noqa: N812

import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, Footer, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from wam_core.data.recorder import CONTRACT_RECORD
from wam_core.errors import ContractError
from wam_core.robot.contract import RobotContract
from wam_core.robot.robot_file import from_dict

#: What a damaged or cut-off record raises, whichever byte is the last one.
_DAMAGED = (McapError, struct.error, zstandard.ZstdError, ZlibError, CRCValidationError, UnicodeDecodeError)


@dataclass(frozen=True)
class RecordedMessage:
    """One message as it was recorded: CDR bytes and the time of recording."""

    topic: str
    type_name: str
    data: bytes
    stamp_ns: int


class Recording:
    """Iterates over messages and decodes them with the definitions embedded in the recording.

    Attributes:
        path: the file or folder.
        metadata: MCAP metadata records by name; complete after :meth:`messages` has run to its end.
        complete: whether the file has its footer, known after :meth:`messages` has run to its end.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise ContractError("recording", str(path), "an MCAP file or a rosbag2 folder that exists")
        self.path = path
        self.metadata: dict[str, dict[str, str]] = {}
        self.complete = False
        self._definitions: dict[str, tuple[str, str]] = {}

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
        """Messages in file order, of ``topics`` only when given."""
        found = self._bag_messages() if self.path.is_dir() else self._mcap_messages()
        return (m for m in found if topics is None or m.topic in topics)

    def decode(self, message: RecordedMessage) -> Any:
        """The message as an object with the fields of its type.

        Raises:
            ContractError: its bytes do not fit its type's definition.
        """
        try:
            return _store(*self._definition(message.type_name)).deserialize_cdr(message.data, message.type_name)
        except SerdeError as error:
            field = f"{self.path.name}:{message.topic}"
            raise ContractError(field, f"{len(message.data)} bytes", f"a {message.type_name} ({error})") from error

    def _definition(self, type_name: str) -> tuple[str, str, str]:
        encoding, text = self._definitions[type_name]
        return type_name, encoding, text

    def _mcap_messages(self) -> Iterator[RecordedMessage]:
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        for record in self._mcap_records():
            if isinstance(record, Message):
                channel = channels[record.channel_id]
                schema = schemas[channel.schema_id]
                yield RecordedMessage(channel.topic, schema.name, record.data, record.log_time)
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Schema):
                schemas[record.id] = record
                self._definitions[record.name] = (record.encoding, record.data.decode())
            elif isinstance(record, Metadata):
                self.metadata[record.name] = dict(record.metadata)
            elif isinstance(record, Footer):
                self.complete = True

    def _mcap_records(self) -> Iterator[McapRecord]:
        with self.path.open("rb") as file:
            records = StreamReader(file, emit_chunks=True).records
            while True:
                try:
                    record = next(records, None)
                    parts = breakup_chunk(record, validate_crc=True) if isinstance(record, Chunk) else [record]
                except _DAMAGED:
                    return
                if record is None:
                    return
                yield from (part for part in parts if part is not None)

    def _bag_messages(self) -> Iterator[RecordedMessage]:
        try:
            with Reader(self.path) as reader:
                for connection in reader.connections:
                    definition = connection.msgdef
                    self._definitions[connection.msgtype] = (definition.format.name, definition.data)
                for connection, stamp_ns, data in reader.messages():
                    yield RecordedMessage(connection.topic, connection.msgtype, data, stamp_ns)
        except (ReaderError, FileNotFoundError) as error:
            raise ContractError("recording", str(self.path), f"a readable rosbag2 folder ({error})") from error
        self.complete = True


def recorded_contract(recording: Recording, robot: RobotContract | None) -> RobotContract:
    """The contract embedded in the recording, or ``robot`` where it has none.

    Raises:
        ContractError: neither exists.
    """
    if CONTRACT_RECORD in recording.metadata:
        return from_dict(json.loads(recording.metadata[CONTRACT_RECORD]["json"]), recording.path.name)
    if robot is None:
        field = f"{recording.path.name}:{CONTRACT_RECORD}"
        raise ContractError(field, None, "an embedded contract, or a robot named for the reader")
    return robot


@lru_cache(maxsize=256)
def _store(type_name: str, encoding: str, text: str) -> Typestore:
    """A typestore with the recorded definition of one type, or the standard one where none was recorded."""
    if not text:
        return get_typestore(Stores.ROS2_KILTED)
    store = get_typestore(Stores.EMPTY)
    parse = get_types_from_idl if "idl" in encoding.lower() else None
    store.register(parse(text) if parse else get_types_from_msg(text, type_name))
    return store
