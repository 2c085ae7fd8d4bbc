// What goes on by itself while the sandbox is alive. Gains and losses balance, so that scores move without all of them
// ending at the top.
import { chanceOf } from "./chance.ts";
import type { Happening } from "./happenings.ts";
import { accounts, partners } from "./partners.ts";
import type { World } from "./world.ts";

/** What happens next. The same world always goes on in the same way. */
export function nextHappening(world: World): Happening {
  const chance = chanceOf(world.seed, "life", world.happened());
  const one = <T>(list: readonly T[]): T | undefined => list[chance.whole(0, list.length - 1)];
  const mailing = (): Happening => ({
    type: "mailing",
    account: one(accounts)?.key ?? "",
    destinations: chance.whole(40, 2500),
    product: chance.pick(["publisher", "ms"]),
  });
  const partner = one(partners)?.slug ?? "";
  const die = chance.whole(1, 100);
  if (die <= 15) return { type: "article", partner };
  if (die <= 18) return { type: "feature", partner };
  if (die <= 26) return { type: "certificate", partner, level: chance.pick(["advanced", "fundamental"]) };
  if (die <= 34) return { type: "account-opened", partner };
  if (die <= 37) return { type: "fair", partner };
  if (die <= 50) {
    const article = one(world.articles.filter((each) => each.status === "publish"));
    return article === undefined ? mailing() : { type: "article-trashed", id: article.id };
  }
  if (die <= 56) {
    const certificate = one(
      world.certificates.filter((each) => each.expiresAt === undefined && !each.isRevoked),
    );
    if (certificate === undefined) return mailing();
    if (die <= 52) return { type: "certificate-revoked", id: certificate.id };
    return { type: "certificate-expires", id: certificate.id, expiresAt: world.now().toISOString() };
  }
  if (die <= 63) {
    const account = one(world.clientAccounts.filter((each) => each.closedOn === undefined));
    return account === undefined ? mailing() : { type: "account-closed", key: account.key };
  }
  return mailing();
}

/** One line for whoever watches. */
export function describe(happening: Happening): string {
  switch (happening.type) {
    case "mailing":
      return `account ${happening.account} sent a mailing to ${happening.destinations} addresses`;
    case "article":
      return `an article with ${happening.partner} was published`;
    case "article-trashed":
      return `article ${happening.id} went to the trash`;
    case "article-deleted":
      return `article ${happening.id} was deleted`;
    case "feature":
      return `an article by ${happening.partner} appeared in the magazine`;
    case "account-opened":
      return `${happening.partner} got a client account`;
    case "account-closed":
      return `client account ${happening.key} was closed`;
    case "certificate":
      return `somebody at ${happening.partner} passed the ${happening.level} test`;
    case "certificate-expires":
      return `certificate ${happening.id} expires at ${happening.expiresAt}`;
    case "certificate-revoked":
      return `certificate ${happening.id} was revoked`;
    case "fair":
      return `${happening.partner} took part in a trade fair`;
  }
}
