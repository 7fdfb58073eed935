"""How do the marks of many volunteers become one? Distances, clusters, averages."""
