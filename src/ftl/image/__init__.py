"""Images: building them here, bringing them to a server, what tells two of them apart, the user's registries."""
