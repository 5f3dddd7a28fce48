"""What a case is.

Every client goes through the same scenario, in two halves: `before` and, once the broker was stopped and started again, `after`.
All clients share one broker, so that it starts only twice. A case of another kind has `run`, and starts what it needs.
"""

from . import places


class Case:
    name = ""
    # Abilities (harness/abilities.py) without which the case is about nothing, and those that only parts of it are about.
    needs = ()
    parts = ()

    def install(self, log):
        """Brings what the case needs; quick when it is there already. Raises LeftOut where it cannot be had."""

    def log(self):
        return places.work() / "logs" / f"{self.name}.log"


class ClientCase(Case):
    def before(self, address, topic):
        raise NotImplementedError

    def after(self, address, topic):
        raise NotImplementedError


class LoneCase(Case):
    def run(self):
        raise NotImplementedError
