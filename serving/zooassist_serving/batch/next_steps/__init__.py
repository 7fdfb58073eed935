"""What happens after a job: a catalogue, proposals, a command, a signed webhook."""
