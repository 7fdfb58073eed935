"""What does a model folder say of itself? The content of `model.json`, validated."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from zooassist_plugin import __version__
from zooassist_plugin.calibration import NO_CALIBRATION, Calibration, CalibrationJson
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.targets import Target, Targets

CARD_FILE = "model.json"
ENCODING_TYPE = "zooassist-model"
ENCODING_VERSION = "0.1.0"
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
# What an output of each kind is called in the graph; a model of that kind must have it.
MAIN_OUTPUT = {
    "votes": "concentrations",
    "values": "values",
    "mask": "mask",
    "volume": "mask",
    "embedding": "embedding",
}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Stretch(_Record):
    """How measured values (FITS) become 8 bits: arcsinh(q v), then percentiles to 0 and 255."""

    q: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    low: float = Field(default=0.0, ge=0, lt=100)
    high: float = Field(default=99.7, gt=0, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> Stretch:
        if self.low >= self.high:
            raise ValueError(f"low: expected less than high, got {self.low} and {self.high}")
        return self


class VolumeScaling(_Record):
    """How a volume's values become 8 bits: of each modality, these percentiles to 0 and 255."""

    low: float = Field(default=0.5, ge=0, lt=100)
    high: float = Field(default=99.5, gt=0, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> VolumeScaling:
        if self.low >= self.high:
            raise ValueError(f"low: expected less than high, got {self.low} and {self.high}")
        return self


class MaskClass(_Record):
    """What one channel of a mask shows: its number in label maps, and its name."""

    number: int = Field(ge=1, le=255)
    name: str = Field(min_length=1)


class Preprocessing(_Record):
    """How image bytes become the graph's input; part of the model's version.

    Attributes
    ----------
    size : int
        Side in pixels of the square that the graph sees. A mask model sees larger images in
        squares of this side, and smaller ones as they are; a volume model was trained on it.
    crop : float
        Side of the centred square that is kept, as a fraction of the image's shorter side.
    resample : str
        Pillow filter; Lanczos is antialiased and gives the same bytes on every platform.
    stretch : Stretch
        For FITS images. Written, and part of the version, only where it is not the default: models
        that were made before there was a choice keep their version.
    scale : float
        Of mask models: the image is made so much larger before the graph sees it (0.5: half as
        wide), the mask as large as the image again. Written only where it is not 1.
    volume : VolumeScaling, optional
        Of volume models, which take the values of scans. Written only where there is one.
    """

    size: int = Field(ge=8, le=8192)
    crop: float = Field(default=1.0, gt=0, le=1)
    resample: Literal["lanczos"] = "lanczos"
    stretch: Stretch = Stretch()
    scale: float = Field(default=1.0, gt=0, le=8)
    volume: VolumeScaling | None = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = write(self)
        unused = {"stretch": Stretch(), "scale": 1.0, "volume": None}
        return {
            name: value
            for name, value in content.items()
            if name not in unused or getattr(self, name) != unused[name]
        }


class TensorSpec(_Record):
    """One input or output of the graph.

    Attributes
    ----------
    shape : tuple of int or str
        Fixed sizes as numbers, free ones by name (``"batch"``).
    divisor : int
        Free spatial sizes must be multiples of it.
    """

    name: str = Field(min_length=1)
    dtype: Literal["uint8", "float32", "int64"]
    shape: tuple[int | str, ...]
    divisor: int = Field(default=1, ge=1)


class TrainingSetReference(_Record):
    """Which training set the model saw."""

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(ge=0)


def _read_schema(value: object) -> object:
    return LabelSchema.from_json(value) if isinstance(value, Mapping) else value


LabelSchemaJson = Annotated[
    LabelSchema,
    BeforeValidator(_read_schema),
    PlainSerializer(lambda schema: schema.to_json(), return_type=dict[str, Any]),
]


def model_version(
    onnx_sha256: str, preprocessing: Preprocessing, calibration: Calibration = NO_CALIBRATION
) -> str:
    """Name the version of a model: 16 hexadecimal digits that follow from what it computes.

    The same graph behind another crop, or with its answers corrected, is another model, so these
    enter the digest. A calibration that changes nothing doesn't.
    """
    parts = [onnx_sha256, json.dumps(preprocessing.model_dump(mode="json"), sort_keys=True)]
    if calibration:
        parts.append(calibration.canonical())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


class ModelCard(_Record):
    """The content of `model.json`.

    Attributes
    ----------
    version : str
        Digest of graph, preprocessing and calibration, see `model_version`; checked on
        construction.
    sha256 : str
        Of the file ``model.onnx``.
    thresholds : mapping
        Per label column or question; what they mean is said by the training recipe. Of models of
        kind `mask`: class -> probability from which a pixel belongs to it, in the order of the
        output's channels.
    calibration : Calibration
        How the graph's concentrations are corrected; of models of kind `votes`.
    training_set, training_sets : TrainingSetReference, tuple of them
        What the model saw. Of several sets, `training_sets` has all and `training_set` the first;
        of one, `training_sets` is empty and is not written, so that earlier versions read the card.
    classes : tuple of MaskClass
        Of models of kind `mask` and `volume`: what the channels of the mask show, with the numbers
        that label maps use (from 1 on, where there are none). Not written where there are none.
    targets : tuple of Target
        What a model of kind `values` predicts; other models have none, and do not write the field.
    metrics : mapping
        On the training set's test split.
    credits : tuple of str
        Whose data and whose encoder the model stands on.
    """

    # LabelSchema is a dataclass of ours that validates itself.
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True
    )

    encoding_type: Literal["zooassist-model"] = Field(
        default="zooassist-model", alias="encoding-type"
    )
    encoding_version: str = Field(default=ENCODING_VERSION, alias="encoding-version")
    producer: str = f"zooassist {__version__}"
    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=r"^[0-9a-f]{16}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    kind: Literal["votes", "values", "mask", "volume", "embedding"]
    inputs: tuple[TensorSpec, ...] = Field(min_length=1)
    outputs: tuple[TensorSpec, ...] = Field(min_length=1)
    preprocessing: Preprocessing
    label_schema: LabelSchemaJson | None = None
    targets: tuple[Target, ...] = ()
    thresholds: dict[str, float] = Field(default_factory=dict)
    calibration: CalibrationJson = NO_CALIBRATION
    training_set: TrainingSetReference | None = None
    training_sets: tuple[TrainingSetReference, ...] = ()
    classes: tuple[MaskClass, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    licence: str = Field(min_length=1)
    credits: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        expected = model_version(self.sha256, self.preprocessing, self.calibration)
        if self.version != expected:
            raise ValueError(
                f"version {self.version} is not the digest of graph, preprocessing and calibration "
                f"({expected}): one of them was changed by hand"
            )
        main = MAIN_OUTPUT[self.kind]
        if main not in {output.name for output in self.outputs}:
            raise ValueError(f"a model of kind {self.kind!r} needs an output named {main!r}")
        if self.kind == "votes" and self.label_schema is None:
            raise ValueError("a model of kind 'votes' needs a label_schema")
        if self.classes and main != "mask":
            raise ValueError(f"a model of kind {self.kind!r} has no classes of masks")
        for what in ("number", "name"):
            if len({getattr(each, what) for each in self.classes}) < len(self.classes):
                raise ValueError(f"classes: expected each {what} once")
        if self.classes and list(self.thresholds) != [each.name for each in self.classes]:
            raise ValueError(
                "thresholds: expected one for each of the classes, in their order, got "
                f"{', '.join(self.thresholds) or 'none'}"
            )
        if (self.kind == "values") != bool(self.targets):
            raise ValueError(
                "a model of kind 'values' needs targets, and no other has any; got kind "
                f"{self.kind!r} with {len(self.targets)} targets"
            )
        names = [target.name for target in self.targets]
        if len(set(names)) < len(names):
            raise ValueError(f"targets: expected each name once, got {', '.join(names)}")
        if self.calibration:
            if self.kind != "votes" or self.label_schema is None:
                raise ValueError(f"a model of kind {self.kind!r} has no calibration")
            self.calibration.check_fits(self.label_schema)
        return self

    @property
    def schema_of_votes(self) -> LabelSchema:
        """The label schema of a model of kind `votes`.

        Raises
        ------
        BadInput
            For a model of another kind.
        """
        if self.label_schema is None:
            raise BadInput(
                f"model {self.name}: expected a model that answers questions (kind 'votes'), "
                f"got kind {self.kind!r}; choose another model"
            )
        return self.label_schema

    @property
    def answers(self) -> LabelSchema | Targets:
        """What the model says of an image: votes on questions, or values of targets.

        Raises
        ------
        BadInput
            For a model that says neither.
        """
        return Targets(self.targets) if self.targets else self.schema_of_votes

    @property
    def class_numbers(self) -> tuple[int, ...]:
        """Numbers of a mask's classes in label maps, in the order of the channels."""
        if self.classes:
            return tuple(each.number for each in self.classes)
        return tuple(range(1, len(self.thresholds) + 1))

    @property
    def learnt_from(self) -> tuple[TrainingSetReference, ...]:
        """All training sets that the model saw, be it one or several."""
        if self.training_sets or self.training_set is None:
            return self.training_sets
        return (self.training_set,)

    def output(self, name: str) -> TensorSpec | None:
        """Return the output of that name, or None."""
        return next((output for output in self.outputs if output.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of `model.json`."""
        optional = ("training_sets", "classes", "targets")
        unused = {name for name in optional if not getattr(self, name)}
        return self.model_dump(mode="json", by_alias=True, exclude=unused)

    def write(self, folder: Path) -> None:
        """Write `model.json` into a folder; it appears whole or not at all."""
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"
        temporary = folder / f".{CARD_FILE}.{os.getpid()}"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(folder / CARD_FILE)

    @classmethod
    def read(cls, folder: Path) -> ModelCard:
        """Read `model.json` of a model folder.

        Raises
        ------
        BadInput
            When it is missing, is not JSON, is of an encoding this version does not read, or
            contradicts itself.
        """
        path = folder / CARD_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BadInput(
                f"{folder}: expected a model folder with model.json and model.onnx, "
                f"found no {CARD_FILE}; give the folder that `zooassist train` wrote"
            ) from error
        except OSError as error:
            raise BadInput(
                f"{path}: cannot be read: {error.strerror}; check who may read it"
            ) from error
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise BadInput(
                f"{path}: expected a JSON object, got: {error}; copy the folder again"
            ) from error
        _check_encoding(path, content)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise BadInput(f"{path}: {first_problem(error)}") from error


def _check_encoding(path: Path, content: object) -> None:
    if not isinstance(content, dict) or content.get("encoding-type") != ENCODING_TYPE:
        raise BadInput(f'{path}: expected "encoding-type": "{ENCODING_TYPE}"; not a model folder')
    version = str(content.get("encoding-version"))
    if version.split(".")[:2] != ENCODING_VERSION.split(".")[:2]:
        raise BadInput(
            f"{path}: encoding-version {version} is not readable by zooassist {__version__}, which "
            f"reads {ENCODING_VERSION}; install the version that wrote it "
            f"({content.get('producer')})"
        )


def first_problem(error: ValidationError) -> str:
    """Put pydantic's report on one line: the first problem and how many more there are."""
    problems = error.errors(include_url=False, include_context=False)
    where = ".".join(str(part) for part in problems[0]["loc"]) or "the whole"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where}: {problems[0]['msg']}{more}"
