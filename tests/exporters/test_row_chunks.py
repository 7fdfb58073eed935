"""Are exports cut into pieces without growing memory?"""

import pyarrow as pa

from zooassist_exporters.row_chunks import Rooms


def test_rooms_are_taken_again_once_nobody_refers_to_them():
    rooms = Rooms(8)
    first = rooms.take(8)
    first[:3] = b"abc"
    kept = pa.py_buffer(first[1:3])
    second = rooms.take(4)
    second[:3] = b"xyz"
    address = pa.py_buffer(first).address
    assert pa.py_buffer(second).address != address
    del first
    assert pa.py_buffer(rooms.take(8)).address != address  # the buffer still refers to it
    assert kept.to_pybytes() == b"bc"
    del kept
    assert pa.py_buffer(rooms.take(8)).address == address


def test_a_room_larger_than_usual_is_made_for_what_needs_it():
    assert len(Rooms(8).take(20)) >= 20
