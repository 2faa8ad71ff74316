"""New certificates for cores."""
