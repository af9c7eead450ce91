"""What an installation needs besides the program: units, users, folders, images, packages."""
