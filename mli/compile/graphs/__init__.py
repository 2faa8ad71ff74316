"""ONNX graphs: read and checked, cut to their heads, and rewritten, before an engine gets them."""
