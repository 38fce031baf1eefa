"""Photos -> posed, undistorted views and sparse points, by COLMAP in a process of its own."""
