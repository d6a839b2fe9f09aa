"""What does a request say: events in the words of clickwatch, of Segment or of GA4, each with its verdict."""
