"""The table of faults has one whole row for each, and its columns agree with each other."""

from __future__ import annotations

import pytest

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Cooldown, Fault, Recovery, Scope

every_fault = pytest.mark.parametrize("fault", Fault)


@every_fault
def test_what_is_not_out_of_order_has_no_cooldown_and_the_rest_has_one(fault: Fault) -> None:
    assert (fault.scope is Scope.REQUEST) == (fault.cooldown is Cooldown.NONE)


@every_fault
def test_a_fault_that_is_retried_in_the_call_is_worth_another_call(fault: Fault) -> None:
    assert fault.retryable or fault.recovery is not Recovery.RETRY


@every_fault
def test_what_stays_out_for_long_is_not_retried_and_used_up_nothing(fault: Fault) -> None:
    if fault.cooldown is Cooldown.LONG:
        assert (fault.recovery, fault.retryable) == (Recovery.FAIL_OVER, False)
        assert not fault.reached


@every_fault
def test_every_fault_has_advice(fault: Fault) -> None:
    advice = fault.advice.format(key="SOME_KEY", near=" (nearest connected: a/b)")
    assert len(advice) > 20
    assert "{" not in advice


@every_fault
def test_a_fault_is_found_by_its_code(fault: Fault) -> None:
    assert Fault(fault.value) is fault
    assert str(fault) == fault.value


@every_fault
def test_an_error_has_the_scope_of_its_fault_unless_it_names_another(fault: Fault) -> None:
    assert ProviderError(fault, "x").scope is fault.scope
    assert ProviderError(fault, "x", scope=Scope.MODEL).scope is Scope.MODEL
