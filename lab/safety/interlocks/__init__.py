"""Interlocks as data: the language, the file, and everything that checks it before it is relied on."""
