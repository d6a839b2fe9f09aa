"""HTTP in, the topic of events out: what a shop sends is judged, kept and answered."""
