"""The invented company of the demo: `deploy.embedded.company`."""

import itertools
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.embedded.company import DAYS, GOLDEN, events, lines, live, records
from schemas import EVENT_TYPES, Event, Reason, Rejected, decode, homes

END = datetime(2026, 6, 30, 18, tzinfo=UTC)
END_MS = int(END.timestamp() * 1000)


def read(told: list[dict[str, Any]], timestamp_ms: int | None = END_MS) -> list[Event]:
    return [decode(msgspec.json.encode(event), timestamp_ms) for event in told]


@pytest.fixture(scope="module")
def quarter() -> list[dict[str, Any]]:
    return list(events(7, END))


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(2_000, 4_000),
    st.integers(946_684_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_the_same_seed_tells_the_same_events_all_valid(seed: int, count: int, end: datetime) -> None:
    once = list(events(seed, end, count, golden=False, duplicates=0.05, late=0.05))
    assert once == list(events(seed, end, count, golden=False, duplicates=0.05, late=0.05))
    assert len(once) == count
    last = end.timestamp() * 1_000_000
    assert all(event.time <= last for event in read(once, timestamp_ms=None))
    assert once != list(events(seed + 1, end, count, golden=False, duplicates=0.05, late=0.05))


def test_a_quarter_has_as_many_events_as_asked_for_within_its_days(quarter: list[dict[str, Any]]) -> None:
    assert len(quarter) == 20_000
    times = [event.time for event in read(quarter)]
    assert max(times) <= END.timestamp() * 1_000_000
    assert min(times) >= (END - timedelta(days=DAYS)).timestamp() * 1_000_000


def test_all_kinds_of_events_happen_but_few_that_undo(quarter: list[dict[str, Any]]) -> None:
    rare = {"crm.call.restored", "crm.opportunity.restored", "crm.gap.posted"}
    assert {event["type"] for event in quarter} == set(EVENT_TYPES) - rare
    assert len({event["source"] for event in quarter}) >= 5
    assert {event["data"].get("currency") for event in quarter} == {None, "USD", "EUR"}
    assert any(event["data"].get("amount", "").startswith("-") for event in quarter if event["type"] == "crm.deal.won")
    statuses = Counter(event["data"]["status"] for event in quarter if event["type"] == "crm.call.logged")
    assert set(statuses) == {"answered", "missed", "busy", "failed", "voicemail"}
    posted = Counter(event.home for event in read(quarter) if event.type == "crm.spend.posted")
    assert len({event["id"] for event in quarter if event["type"] == "crm.spend.posted"}) > len(posted), "restated"
    merged = {home for event in read(quarter) if event.type == "crm.lead.merged" for home in homes(event)}
    survivors = {f"lead:{event['data']['lead_id']}" for event in quarter if event["type"] == "crm.lead.merged"}
    assert merged & survivors, "a chain of merges"


def test_sources_deliver_twice_late_and_out_of_order(quarter: list[dict[str, Any]]) -> None:
    assert len({event["id"] for event in quarter}) == 19_600
    times = [event.time for event in read(quarter)]
    latest = list(itertools.accumulate(times, max))
    behind = [(high - time) / 1_000_000 for high, time in zip(latest, times, strict=True)]
    days_late = sum(seconds > 86_400 for seconds in behind) / len(behind)
    assert 0.02 < days_late < 0.06
    assert sum(seconds > 0 for seconds in behind) / len(behind) > 0.2
    punctual = list(events(7, END, duplicates=0, late=0))
    assert len({event["id"] for event in punctual}) == 20_000


@pytest.mark.parametrize("count", [6_000, 20_000, 60_000])
def test_the_two_campaigns_have_their_known_figures_whatever_the_size(count: int) -> None:
    told = read(list(events(3, END, count, duplicates=0.05, late=0.05)))
    unique = {event.id: event for event in told}.values()
    leads: dict[str, set[str]] = defaultdict(set)
    for event in unique:
        if event.type == "crm.lead.created" and event.data.get("campaign_id") in {g.campaign_id for g in GOLDEN}:
            leads[str(event.data["campaign_id"])].add(event.home)
    for golden in GOLDEN:
        own = leads[golden.campaign_id]
        about = [event for event in unique if own & {event.home, f"lead:{event.data.get('lead_id')}", *homes(event)}]
        assert Counter(event.type for event in about) == {
            "crm.lead.created": golden.leads,
            "crm.opportunity.created": golden.customers,
        }, "one touch a lead, and nothing that changes or merges it"
        offered = {event.home: int(str(event.data["amount"])) for event in about if event.type.endswith("y.created")}
        closed = [event for event in unique if event.home in offered and event.type != "crm.opportunity.created"]
        assert {event.type for event in closed} == {"crm.deal.won"}
        assert len(closed) == len(offered) == golden.customers
        assert sum(offered.values()) == golden.revenue * 10_000
        spent = {
            event.home: event
            for event in unique
            if event.type == "crm.spend.posted" and event.data.get("campaign_id") == golden.campaign_id
        }
        assert len(spent) == sum(
            event.data.get("campaign_id") == golden.campaign_id and event.type == "crm.spend.posted" for event in unique
        )
        assert sum(int(str(event.data["amount"])) for event in spent.values()) == golden.spend * 10_000
        assert sum(int(str(event.data.get("visitors", 0))) for event in spent.values()) == (golden.visitors or 0)
        named = {golden.campaign_id, golden.name.lower()}
        for event in unique:
            if event.home in own or event.home in spent or event.type == "crm.campaign.upserted":
                continue
            said = {str(event.data.get(field)).strip().lower() for field in ("campaign_id", "utm_campaign", "scope")}
            assert not said & (named | {f"campaign/{golden.campaign_id}"})
        aliases = [event.data.get("aliases") or [] for event in unique if event.type == "crm.campaign.upserted"]
        assert not {alias.lower() for each in aliases if isinstance(each, list) for alias in each} & named


def test_golden_figures_are_those_of_the_article() -> None:
    instagram, search = GOLDEN
    assert (str(instagram.roas), str(instagram.roi), instagram.cpa, str(instagram.bought)) == (
        "0.8",
        "-0.2",
        500,
        "0.1",
    )
    assert (search.roas, search.roi, search.cpa, str(search.bought)) == (8, 7, 50, "0.01")


def test_malformed_lines_come_with_every_reason_and_change_nothing_else() -> None:
    told = list(lines(5, END, 6_000, malformed=70))
    assert len(told) == 6_070
    reasons: Counter[Reason] = Counter()
    good = []
    for value in told:
        try:
            decode(value, END_MS)
            good.append(value)
        except Rejected as rejected:
            reasons[rejected.reason] += 1
    assert reasons == dict.fromkeys(Reason, 10)
    assert good == list(lines(5, END, 6_000))


def test_records_have_the_key_of_their_home_or_on_request_a_wrong_one() -> None:
    right = list(records(5, END, 6_000, malformed=7))
    assert sum(record.key is None for record in right) == 6
    assert all(record.key == decode(record.value, None).home for record in right if record.key is not None)
    wrong = list(records(5, END, 6_000, malformed=7, wrong_keys=0.1))
    assert [record.value for record in wrong] == [record.value for record in right]
    share = sum(one.key != other.key for one, other in zip(wrong, right, strict=True)) / len(right)
    assert 0.05 < share < 0.12
    assert {record.key for record in wrong} > {None}


def test_life_goes_on_with_an_event_a_second_about_others() -> None:
    start = END + timedelta(hours=1)
    told = list(itertools.islice(live(7, start), 3_000))
    assert told == list(itertools.islice(live(7, start), 3_000))
    read_live = read(told)
    first = int(start.timestamp()) * 1_000_000
    assert [event.time for event in read_live] == [first + number * 1_000_000 for number in range(3_000)]
    assert {"crm.lead.created", "crm.deal.won", "crm.deal.lost", "crm.call.logged", "crm.spend.posted"} <= {
        event.type for event in read_live
    }
    later = {event.home for event in read(list(itertools.islice(live(7, start + timedelta(hours=2)), 500)))}
    before = {event.home for event in read(list(events(7, END)))} | {event.home for event in read_live}
    shared = {home for home in later & before if not home.startswith("spend:")}
    assert not shared
    golden = {golden.campaign_id for golden in GOLDEN}
    assert not any(event.data.get("campaign_id") in golden for event in read_live)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((1, END, 500), "a quarter has at least"),
        ((1, END.replace(tzinfo=None), 20_000), "end: needs a time zone"),
    ],
)
def test_what_cannot_be_told_is_refused(arguments: tuple[int, datetime, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(events(*arguments))
    with pytest.raises(ValueError, match="shares"):
        list(events(1, END, duplicates=1.5))
