"""The people that a source file names: webhooks know them by id, exports by name, reports show both."""

from schemas.adapters.adapted import Adapted
from schemas.adapters.configuration import Reps, Source
from schemas.adapters.draft import Collector, Draft


def rep_events(source: Source, reps: Reps) -> Adapted:
    """Say once what they are called. The time is the beginning of time, so that whatever the source says wins."""
    out = Collector(source.source, source.revision)
    for identifier, rep in reps.items():
        with out.part({identifier: rep.model_dump()}):
            draft = out.add(Draft("crm.rep.upserted", 0, 0, "source file", rep_id=identifier))
            if rep.name:
                draft.put("name", rep.name, f"{identifier}.name")
            if rep.team is not None:
                draft.put("team", rep.team, f"{identifier}.team")
    return out.adapted


def rep_ids(reps: Reps) -> dict[str, str]:
    """Ids by name in small letters."""
    return {rep.name.casefold(): identifier for identifier, rep in reps.items() if rep.name}
