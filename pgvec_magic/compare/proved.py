"""What Postgres did, with every fix tried: those that do not help are not offered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ..diagnose import Finding
from ..search import Explanation
from .proof import Proof


@dataclass(frozen=True, eq=False, repr=False)
class Proved(Explanation):
    """An ``Explanation`` whose findings keep the fixes that helped; ``proofs`` has what was measured of each."""

    proofs: tuple[Proof, ...] = ()

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, the gravest first, with a fix where it was not shown to be none."""
        tried = {(proof.finding.rule, proof.finding.step): proof for proof in self.proofs}
        return tuple(_kept(each, tried.get((each.rule, each.step))) for each in super().findings)

    def __repr__(self) -> str:
        return "\n\n".join([super().__repr__(), *map(repr, self.proofs)])

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        shown = [super()._repr_mimebundle_(), *(proof._repr_mimebundle_() for proof in self.proofs)]
        return {kind: joint.join(each[kind] for each in shown) for kind, joint in _JOINTS.items()}


_JOINTS = {"text/html": "\n", "text/plain": "\n\n"}


def _kept(finding: Finding, proof: Proof | None) -> Finding:
    if proof is None or proof.helped:
        return finding
    return replace(finding, why=f"{finding.why}; tried {proof.tried}: {proof.verdict}", fix=None, cure=None)
