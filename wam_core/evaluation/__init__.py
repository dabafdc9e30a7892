"""Running policies in the cell and measuring them."""
