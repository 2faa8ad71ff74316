"""A core's key and certificate: as files, in AWS IoT, and `mli certificate`, which creates them."""
