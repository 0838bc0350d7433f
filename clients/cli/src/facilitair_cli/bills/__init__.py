"""Bills of providers: their exports read, and matched with calls of unknown outcome."""
