"""From a future that was predicted without an action to the chunk that makes it come true, without a learned head."""
