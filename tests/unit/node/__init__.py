"""The node side: parsers by tables, logic on a scripted host, and the whole on loop devices."""
