"""What any World Action Model must hold, whatever it is made of; each is read off the wiring and tried in numbers."""
