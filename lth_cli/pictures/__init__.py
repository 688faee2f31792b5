"""Pictures of runs: a module per kind, with what they share in canvas, lines, studies and tickets."""
