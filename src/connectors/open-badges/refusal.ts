/**
 * Why a badge is no evidence, found anywhere on the way of its verification: `refused`, it is not what it says it is; `revoked`,
 * its issuer took it back; `unreadable`, what is there is no badge, and may be one again. The message is for a person. It is no
 * SourceError: that says that a badge cannot be checked now, and ends the pull.
 */
export class BadgeRefusal extends Error {
  override readonly name = "BadgeRefusal";
  readonly kind: "refused" | "revoked" | "unreadable";

  constructor(kind: BadgeRefusal["kind"], reason: string) {
    super(reason);
    this.kind = kind;
  }
}

export function refused(reason: string): BadgeRefusal {
  return new BadgeRefusal("refused", reason);
}

export function revoked(): BadgeRefusal {
  return new BadgeRefusal("revoked", "its issuer revoked it");
}
