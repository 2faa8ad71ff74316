"""The archives that set a device up, unpacked as on the device."""
