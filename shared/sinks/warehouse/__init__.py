"""The warehouse sink: typed tables, staged and swapped in whole, checkpoints beside the rows."""
