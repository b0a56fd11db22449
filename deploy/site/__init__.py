"""What writes the documentation site: pages made from code, the picture, the navigation."""
