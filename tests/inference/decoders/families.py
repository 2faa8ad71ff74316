"""The preset of each family, and the writer of its export."""

from __future__ import annotations

from typing import Callable, Sequence

from .exports import candidates, finished, grids
from .exports.objects import Returned, Thing

HF = ("logits", "pred_boxes")

FAMILIES: dict[str, Callable[[Sequence[Thing]], Returned]] = {
    "yolov3": grids.yolov3,
    "yolov5": candidates.v5,
    "yolov6": candidates.v5,
    "yolov7": candidates.v5,
    "yolov7-raw": grids.yolov7_raw,
    "yolov7-end2end": finished.batch_rows("image", "box", "class", "score"),
    "yolov8": candidates.v8,
    "yolov9": candidates.v9,
    "yolov10": candidates.v8,
    "yolo11": candidates.v8,
    "yolo12": candidates.v8,
    "yolo26": candidates.v8,
    "yolo-end2end": finished.end_to_end,
    "yolo-nms": finished.end_to_end,
    "yolo-pose": candidates.v8_with(51),
    "yolo-pose-end2end": lambda things: finished.end_to_end(things, 51),
    "yolo-seg": candidates.v8_with(32),
    "yolo-seg-end2end": lambda things: finished.end_to_end(things, 32),
    "yolo-obb": candidates.v8_with(1),
    "yolox": grids.yolox,
    "yolox-decoded": candidates.v5,
    "yolo-nas": finished.yolo_nas,
    "yolo-nas-flat": finished.batch_rows("image", "box", "score", "class"),
    "yolo-nas-raw": candidates.separate(activation="probabilities"),
    "rtdetr": candidates.queries(HF, softmax=False),
    "rtdetr-deploy": finished.deployed_rtdetr,
    "rtdetr-ultralytics": finished.ultralytics_rtdetr,
    "dfine": candidates.queries(HF, softmax=False),
    "rfdetr": candidates.queries(("dets", "labels"), softmax=False, boxes_first=True),
    "detr": candidates.queries(HF, softmax=True),
    "yolos": candidates.queries(HF, softmax=True),
    "torchvision-ssd": finished.torchvision,
    "torchvision-retinanet": finished.torchvision,
    "torchvision-fcos": finished.torchvision,
    "torchvision-faster-rcnn": finished.mask_rcnn,
    "torchvision-ssd-raw": candidates.separate(activation="softmax", background="first"),
    "torchvision-retinanet-raw": candidates.separate(activation="sigmoid"),
    "tf-detection": finished.tensorflow,
    "tf-ssd": candidates.separate(
        activation="probabilities", background="first", units="fractions", order="yxyx",
        names=("raw_detection_boxes", "raw_detection_scores"),
    ),
    "efficientdet": finished.effdet,
    "ppyoloe": finished.ppyoloe,
    "ppyoloe-raw": candidates.ppyoloe_raw,
    "damo-yolo": candidates.damo_yolo,
    "rtmdet": finished.mmdeploy,
    "picodet": grids.picodet,
    "nanodet": grids.nanodet,
    "centernet": grids.centernet(face=False),
    "centerface": grids.centernet(face=True),
    "scrfd": grids.scrfd,
    "yunet": grids.yunet,
    "retinaface": grids.retinaface,
    "ultraface": candidates.separate(
        activation="probabilities", background="first", units="fractions",
        names=("boxes", "scores"),
    ),
    "gluoncv-ssd": finished.gluoncv,
    "sagemaker-ssd": finished.sagemaker,
    "caffe-ssd": finished.caffe,
}  # fmt: skip
"""A writer for each preset that has boxes."""

POINTED = {
    "yolo-pose": 17, "yolo-pose-end2end": 17,
    "scrfd": 5, "yunet": 5, "retinaface": 5, "centerface": 5,
}  # fmt: skip
"""How many keypoints an object has, by preset; those of the others have none."""
