"""What do all tables of the sandbox have in common? Their base, and how Python types are stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON
from sqlalchemy.orm import DeclarativeBase

from zooassist_plugin.database import UtcDateTime


class Base(DeclarativeBase):
    """Parent of every sandbox table."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON,
        list[Any]: JSON,
        datetime: UtcDateTime,
    }
