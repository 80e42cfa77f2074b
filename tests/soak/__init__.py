"""Many users at once, faults at random, controllers that come and go: every promise is kept, and nothing grows."""
