"""Names of inputs beside the image that say how large it is."""

INPUTS_OF_SIZE = ("orig_target_sizes", "im_shape", "scale_factor")
"""The size as width and height (RT-DETR and D-FINE); as height and width, and what the image was
multiplied by (PaddleDetection)."""
