"""`lth run`: one module per thing that it does."""
