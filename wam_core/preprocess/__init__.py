"""From camera bytes to the model tensor."""
