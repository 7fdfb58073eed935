"""The page of `zooassist evaluate`: one HTML file with everything in it."""
