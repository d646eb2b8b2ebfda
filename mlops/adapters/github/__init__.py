"""GitHub as the place where work is started and its end is told, by its REST API and the standard library."""
