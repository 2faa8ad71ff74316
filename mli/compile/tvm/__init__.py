"""ONNX to a DLR artifact by TVM, on this machine.

TVM 0.16 needs NumPy 1, so it lives in an environment of its own, which ``environment`` creates
under ``build/tvm``; ``worker`` runs there, and so do the modules that it imports.
"""
