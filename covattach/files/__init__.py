"""Files and folders that other users may change while we work with them."""
