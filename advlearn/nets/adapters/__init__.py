"""Critics that rearrange their inputs before a network scores them."""
