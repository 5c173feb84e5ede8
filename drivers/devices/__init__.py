"""One file for each instrument: its device, and as `DRIVER` how to make it from a lab file.

The driver ``eurotherm-3216p`` of a lab file is `drivers.devices.eurotherm_3216p`; nothing else lists them.
"""
