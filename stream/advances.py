"""Which calls advanced a lead (reports: "Calls")."""

from collections.abc import Sequence

from stream.records import Call, Lead


def credit_calls(lead: Lead | None, calls: Sequence[Call], window_us: int) -> None:
    """Set `advanced_mofu` and `advanced_bofu` of a root's calls.

    A call that names a stage counts for exactly that one. A rise of the lead's reached stage is credited to the last
    answered call at or before it, within the window and not naming a stage itself; to none if a call within the window
    names this stage.
    """
    if not calls:
        return
    for call in calls:
        call.advanced_mofu = int(call.advanced_stage == "mofu")
        call.advanced_bofu = int(call.advanced_stage == "bofu")
    if lead is None:
        return
    for stage, rise in (("mofu", lead.mofu_us), ("bofu", lead.bofu_us)):
        if rise is None:
            continue
        near = [call for call in calls if call.started_us <= rise <= call.started_us + window_us]
        if any(call.advanced_stage == stage for call in near):
            continue
        silent = [call for call in near if call.status == "answered" and not call.advanced_stage]
        if silent:
            last = max(silent, key=lambda call: (call.started_us, call.call_id))
            if stage == "mofu":
                last.advanced_mofu = 1
            else:
                last.advanced_bofu = 1
