"""The commands, one module per noun: words to calls of ``core.engine``, outcomes to words."""
