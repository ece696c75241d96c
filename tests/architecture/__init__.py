"""Tests about the code: layers, names, sizes, packaging, documents."""
