"""Painting: canvas, camera, scenery."""
