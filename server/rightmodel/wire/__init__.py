"""Codecs of the model APIs, one file for each dialect."""
