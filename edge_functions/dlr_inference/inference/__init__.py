"""Image inference with DLR or ONNX Runtime on a core of either Greengrass generation.

Data flows in one direction: source, preprocess, model, postprocess, sinks. Everything here runs on
Python 3.8 and newer, which devices have.
"""

import os

# OpenCV reads this when it is first imported: a small file can decode to an image that fills the
# memory. Decoding an image of this size briefly takes 400 MB.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(64 << 20))
