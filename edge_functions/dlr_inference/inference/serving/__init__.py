"""What the component of V2, the function of V1 and `mli infer` share: model, stages, messages."""
