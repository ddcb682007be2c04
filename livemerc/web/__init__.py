"""`livemerc watch --web`: the second screen in a browser. textual-serve runs the viewers; this room guards the door."""
