"""Image inference with the Deep Learning Runtime (DLR) on a core of either Greengrass generation.

Data flows one way: source, preprocess, model, postprocess, sinks. Everything here runs on Python
3.8 and newer, because that is what devices have.
"""
