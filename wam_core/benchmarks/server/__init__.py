"""What runs beside a simulator, in its environment: NumPy, the simulator and Python 3.8 or newer are all there is."""
