"""The manifest: files in, an immutable catalog out."""
