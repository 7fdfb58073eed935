"""How good is a model, and is it as sure as it should be? The parts of `zooassist evaluate`."""
