"""The phases in their order, and the steps that a scenario may name in each."""

from workflow.phases import compliance, design, operations, planning, testing
from workflow.steps import Step

STEPS: dict[str, dict[str, Step]] = {
    phase: {step.name: step for step in steps}
    for phase, steps in (
        ("planning", planning.STEPS),
        ("design", design.STEPS),
        ("testing", testing.STEPS),
        ("compliance", compliance.STEPS),
        ("operations", operations.STEPS),
    )
}
