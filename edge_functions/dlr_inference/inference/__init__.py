"""Image inference with the Deep Learning Runtime (DLR) on a core of either Greengrass generation.

Data flows one way: source, preprocess, model, postprocess, sinks. Everything here runs on Python
3.8 and newer, because that is what devices have.
"""

import os

# OpenCV reads this when any module imports it first: a small file can unpack into an image that
# fills the memory. Decoding one of this size takes 400 MB for a moment.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(64 << 20))
