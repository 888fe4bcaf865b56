"""Check that two processes compute the same as one process on the joined batch, in fp64 and fp32.

For every objective, penalty and name, each of two gloo processes makes two critic steps. Then the
critic's gradients, the adversary's whole state, and the gradients of a learner that produces the
fake or the real samples are compared with those of one process.
"""

from harness import Result, arguments, one_thread

from advlearn.core import registry
from advlearn.core.grammar import resolve
from advlearn.core.objective import Objective
from advlearn.testing._found import chains
from advlearn.testing._processes import Case, compare

QUICK = ("Wasserstein() + GradientPenalty()", "MMD()", "Sinkhorn()")
BAR = 1e-6


def main() -> None:
    """Run all cases in one pair of processes."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("two_processes", quick=options.quick)
    if not options.report:
        result.rows, result.seconds = [], 0.0
    cases = [
        Case(spec, dtype)
        for spec in (QUICK if options.quick else chains())
        for dtype in ("float64", "float32")
    ]
    for case, found in ({} if options.report else compare(cases)).items():
        chain = resolve(case.spec)
        gathers = not chain.required_objective().decomposable
        row = {
            "case": case.spec,
            "dtype": case.dtype,
            "gathers_scores": gathers,
            "largest_difference": found.absolute,
            "relative": found.relative,
            "where": found.where,
            "error": found.error,
        }
        result.rows.append(row)
    for dtype in ("float64", "float32"):
        for gathers, what in ((False, "decomposable"), (True, "set-wise, through the gather")):
            rows = [
                r for r in result.rows if r["dtype"] == dtype and r["gathers_scores"] is gathers
            ]
            # Rounding in fp32 is relative: the gradients of a penalty of weight 10 are near 10
            # themselves.
            measure = "largest_difference" if dtype == "float64" else "relative"
            name = f"{measure.replace('_', ' ')}, {dtype}, {len(rows)} {what} games"
            result.bar(name, max(r[measure] for r in rows), "<=", BAR)
    if not options.quick:
        missing = {c.__name__ for c in registry.classes(Objective)} - {
            r["case"].split("(")[0] for r in result.rows
        }
        result.bar("objectives left out", len(missing), "==", 0)
    result.save()
    result.show(["case", "dtype", "largest_difference", "relative", "where"])


if __name__ == "__main__":
    main()
