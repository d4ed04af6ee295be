"""Corrections for `wire.py`: which of the accepted events count once amends, retracts, backfills and
reverts are applied. The order in which they arrived plays no part."""


def applied(events):
    """The events whose place counts and that nothing replaces or takes back."""
    made = {event["key"]: event for event in events if event["correction"] is not None}

    def naming(key, *actions):
        return [event for event in made.values()
                if event["correction"][1] == key and event["correction"][0] in actions]

    def in_force(key, asked=()):
        """No revert in force names it. Reverts that name each other can name nothing else."""
        return not any(revert["key"] not in asked and in_force(revert["key"], (*asked, key))
                       for revert in naming(key, "revert") if revert["key"] != key)

    def amended(key):
        """The event that an amend in force names."""
        event = made.get(key)
        if event is None or event["correction"][0] != "amend" or not in_force(key):
            return None
        return event["correction"][1]

    def circular(key):
        passed, at = set(), amended(key)
        while at is not None and at not in passed:
            if at == key:
                return True
            passed.add(at)
            at = amended(at)
        return False

    def effective(key):
        """The newest correction in force of an event."""
        found = [event for event in naming(key, "amend", "retract")
                 if event["key"] != key and in_force(event["key"]) and not circular(event["key"])]
        return max(found, key=lambda event: (event["time"], event["key"]), default=None)

    def stands(key):
        """Whether the place of an event counts: an amend has that of the event that it names."""
        event = made.get(key)
        if event is None or event["correction"][0] in ("retract", "revert"):
            return True
        if not in_force(key):
            return False
        if event["correction"][0] == "backfill" or circular(key):
            return True
        target = event["correction"][1]
        return effective(target) is event and stands(target)

    return [event for event in events
            if effective(event["key"]) is None and stands(event["key"])]
