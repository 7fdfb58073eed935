"""Which formats can a training set be converted to, and what does each carry?

One table, one file per format. docs/formats.md holds the same table; a test compares them.
"""

from __future__ import annotations

from typing import Final

from zooassist_exporters.formats.catalogues import read_catalogues, write_kade, write_zoobot
from zooassist_exporters.formats.coco import write_coco
from zooassist_exporters.formats.coco_reader import read_coco
from zooassist_exporters.formats.format import Format
from zooassist_exporters.formats.hamlet import write_hamlet
from zooassist_exporters.formats.huggingface import read_huggingface, write_huggingface
from zooassist_exporters.formats.image_folder import read_image_folder, write_image_folder
from zooassist_exporters.formats.png_masks import read_png_masks, write_png_masks
from zooassist_exporters.formats.tables import (
    read_csv,
    read_parquet,
    write_csv,
    write_parquet,
)
from zooassist_exporters.formats.voc import read_voc, write_voc
from zooassist_exporters.formats.yolo import read_yolo, write_yolo_boxes, write_yolo_outlines

WITH_IMAGE: Final = "those with an image"

FORMATS: Final[dict[str, Format]] = {
    "coco": Format(
        write_coco,
        read_coco,
        "COCO instances: boxes, outlines, masks as RLE.",
        {
            "subjects": "yes",
            "splits": "yes",
            "images": "yes",
            "frames": "yes",
            "sampling": "yes",
            "metadata": "yes",
            "boxes": "yes",
            "shapes": "yes",
            "mark details": "yes",
            "masks": "yes",
            "instances": "yes",
        },
    ),
    "yolo-detect": Format(
        write_yolo_boxes,
        read_yolo,
        "YOLO boxes.",
        {
            "subjects": WITH_IMAGE,
            "splits": "yes",
            "images": "yes",
            "boxes": "within the image",
        },
    ),
    "yolo-segment": Format(
        write_yolo_outlines,
        read_yolo,
        "YOLO outlines.",
        {
            "subjects": WITH_IMAGE,
            "splits": "yes",
            "images": "yes",
            "boxes": "within the image",
            "shapes": "as polygons within the image",
            "masks": "as the outline of the largest part, if the set has no marks",
        },
    ),
    "voc": Format(
        write_voc,
        read_voc,
        "Pascal VOC boxes.",
        {
            "subjects": WITH_IMAGE,
            "splits": "yes",
            "images": "yes",
            "boxes": "whole pixels within the image",
        },
    ),
    "png-masks": Format(
        write_png_masks,
        read_png_masks,
        "Images and label maps.",
        {
            "subjects": "those with an image or mask",
            "splits": "yes",
            "images": "yes",
            "frames": "those with a mask",
            "shapes": "drawn as masks, if the set has no masks",
            "masks": "yes",
            "instances": "yes",
            "agreement": "yes",
        },
    ),
    "image-folder": Format(
        write_image_folder,
        read_image_folder,
        "One folder of images per class.",
        {
            "subjects": "those with an image and votes",
            "splits": "yes",
            "images": "yes",
            "votes": "one, for the majority's answer",
            "questions": "the answers of one",
        },
    ),
    "huggingface": Format(
        write_huggingface,
        read_huggingface,
        "Hugging Face data set in Parquet.",
        {
            "subjects": "yes",
            "splits": "yes",
            "images": "yes",
            "frames": "yes",
            "votes": "yes",
            "questions": "yes",
            "sampling": "yes",
            "metadata": "yes",
            "boxes": "yes",
            "shapes": "yes",
            "mark details": "yes",
            "masks": "yes",
            "instances": "yes",
            "agreement": "yes",
        },
    ),
    "zoobot": Format(
        write_zoobot,
        read_catalogues,
        "Zoobot catalogues and schema.",
        {
            "subjects": WITH_IMAGE,
            "splits": "yes",
            "images": "yes",
            "votes": "yes",
            "questions": "yes",
        },
    ),
    "kade": Format(
        write_kade,
        read_catalogues,
        "KaDE's training catalogue.",
        {
            "subjects": WITH_IMAGE,
            "images": "yes",
            "votes": "without the totals of questions with several answers",
            "questions": "yes",
        },
    ),
    "hamlet": Format(
        write_hamlet,
        None,
        "Hamlet's media list and labels.",
        {"votes": "the majority's answer to one question"},
    ),
    "csv": Format(
        write_csv,
        read_csv,
        "Plain tables as CSV.",
        {
            "subjects": "yes",
            "splits": "yes",
            "images": "yes",
            "frames": "those with marks",
            "votes": "yes",
            "questions": "yes",
            "sampling": "yes",
            "metadata": "yes",
            "boxes": "yes",
            "shapes": "yes",
            "mark details": "yes",
        },
    ),
    "parquet": Format(
        write_parquet,
        read_parquet,
        "Plain tables as Parquet.",
        {
            "subjects": "yes",
            "splits": "yes",
            "images": "yes",
            "frames": "those with marks",
            "votes": "yes",
            "questions": "yes",
            "sampling": "yes",
            "metadata": "yes",
            "boxes": "yes",
            "shapes": "yes",
            "mark details": "yes",
        },
    ),
}
