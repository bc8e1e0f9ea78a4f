"""Painting: canvas, camera, scenery, roads, actors, and what panels share."""
