# Written by `make stubs`; do not edit.
"""Objectives: one file per family; every class is importable from here, for example ``Hinge``."""

from advlearn.objectives.assignment import Assignment as Assignment
from advlearn.objectives.boundary_equilibrium import BoundaryEquilibrium as BoundaryEquilibrium
from advlearn.objectives.bounded_hinge import BoundedHinge as BoundedHinge
from advlearn.objectives.coral import Coral as Coral
from advlearn.objectives.energy import Energy as Energy
from advlearn.objectives.energy_model import EnergyModel as EnergyModel
from advlearn.objectives.f_divergence import FDivergence as FDivergence
from advlearn.objectives.hinge import Hinge as Hinge
from advlearn.objectives.imle import IMLE as IMLE
from advlearn.objectives.jensen_shannon import JensenShannon as JensenShannon
from advlearn.objectives.k_plus_one import KPlusOne as KPlusOne
from advlearn.objectives.least_squares import LeastSquares as LeastSquares
from advlearn.objectives.loss_sensitive import LossSensitive as LossSensitive
from advlearn.objectives.minibatch_energy import MinibatchEnergy as MinibatchEnergy
from advlearn.objectives.mmd import MMD as MMD
from advlearn.objectives.predictive import Predictive as Predictive
from advlearn.objectives.relativistic import RelativisticAverage as RelativisticAverage
from advlearn.objectives.relativistic import RelativisticPairing as RelativisticPairing
from advlearn.objectives.sinkhorn import Sinkhorn as Sinkhorn
from advlearn.objectives.wasserstein import Wasserstein as Wasserstein
