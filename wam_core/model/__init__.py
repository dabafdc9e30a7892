"""The model core: token groups with declared visibility, carried by one shared-attention trunk."""
