"""The simulated city: cases whose lateness emerges from queues, and whose truth is known."""

from data.synthetic.city import SimulatedCity, simulate_city
from data.synthetic.plan import CityPlan
from data.synthetic.truth import PlantedTruth
from data.synthetic.write import write_city

__all__ = ["CityPlan", "PlantedTruth", "SimulatedCity", "simulate_city", "write_city"]
