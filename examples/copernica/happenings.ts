// What can happen in the sandbox after its first start, and what it changes.
import { Temporal } from "temporal-polyfill";
import { chanceOf } from "./chance.ts";
import type { Article, Certificate, ClientAccount, FairVisit, Feature, History } from "./history.ts";
import { fairs, titles } from "./history.ts";
import { type Mailing, subjects, timeZone, toTimestamp } from "./mailings.ts";
import { accountOf, accounts, partnerOf } from "./partners.ts";

export type Happening =
  | { type: "mailing"; account: string; destinations: number; product?: Mailing["product"] | undefined }
  | { type: "article"; partner: string }
  | { type: "article-trashed"; id: number }
  | { type: "article-deleted"; id: number }
  | { type: "feature"; partner: string }
  | { type: "account-opened"; partner: string }
  | { type: "account-closed"; key: string }
  | { type: "certificate"; partner: string; level: Certificate["level"] }
  /** `expiresAt`: ISO instant, in the past or still to come. */
  | { type: "certificate-expires"; id: string; expiresAt: string }
  | { type: "certificate-revoked"; id: string }
  | { type: "fair"; partner: string };

/** What a happening made or changed, as it is now. */
export type Outcome = Mailing | Article | Feature | ClientAccount | Certificate | FairVisit;

/**
 * Changes the history in place. `nth` counts what has happened so far: it gives the ids and, with the seed, the details, so
 * that the same happenings make the same world again. Throws for what does not exist, and changes nothing then.
 */
export function apply(history: History, happening: Happening, at: Date, seed: string, nth: number): Outcome {
  const chance = chanceOf(seed, "happening", nth);
  const moment = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(timeZone);
  const today = moment.toPlainDate().toString();
  const instant = moment.toInstant().toString({ smallestUnit: "second" });
  switch (happening.type) {
    case "mailing": {
      const account = found(
        accounts,
        (each) => each.key === happening.account,
        `account ${happening.account}`,
      );
      const product = happening.product ?? "publisher";
      const { destinations } = happening;
      const subject = chance.pick(subjects);
      const rest = { type: "mass", followup: false, test: false, subject, destinations } as const;
      return added(history.mailings, {
        id: 100_000 + nth,
        account: account.key,
        product,
        timestamp: toTimestamp(moment),
        ...rest,
      });
    }
    case "article":
      return added(history.articles, {
        id: 1000 + nth,
        category: partnerOf(happening.partner).slug,
        title: chance.pick(titles),
        author: chance.whole(1, 4),
        publishedAt: instant,
        modifiedAt: instant,
        status: "publish",
      });
    case "article-trashed": {
      const article = found(history.articles, (each) => each.id === happening.id, `article ${happening.id}`);
      return Object.assign(article, { status: "trash", modifiedAt: instant } as const);
    }
    case "article-deleted": {
      const article = found(history.articles, (each) => each.id === happening.id, `article ${happening.id}`);
      history.articles.splice(history.articles.indexOf(article), 1);
      return article;
    }
    case "feature":
      return added(history.features, {
        id: 1000 + nth,
        partner: partnerOf(happening.partner).slug,
        title: chance.pick(titles),
        publishedAt: instant,
      });
    case "account-opened": {
      const partner = partnerOf(happening.partner);
      const { key, name } = accountOf(partner, 50 + nth);
      return added(history.clientAccounts, {
        key,
        name,
        crm: partner.crm,
        openedOn: today,
        closedOn: undefined,
      });
    }
    case "account-closed": {
      const is = (each: ClientAccount) => each.key === happening.key && each.closedOn === undefined;
      const account = found(history.clientAccounts, is, `client account ${happening.key}`);
      history.clientAccounts.splice(history.clientAccounts.indexOf(account), 1);
      return account;
    }
    case "certificate": {
      const { crm, domain } = partnerOf(happening.partner);
      return added(history.certificates, {
        id: `CERT-${10_000 + nth}`,
        holder: `holder-${crm}-new-${nth}`,
        level: happening.level,
        employer: domain,
        passedOn: today,
        expiresAt: undefined,
        isRevoked: false,
      });
    }
    case "certificate-revoked": {
      const is = (each: Certificate) => each.id === happening.id && !each.isRevoked;
      return Object.assign(found(history.certificates, is, `certificate ${happening.id} in force`), {
        isRevoked: true,
      });
    }
    case "certificate-expires": {
      const { id, expiresAt } = happening;
      return Object.assign(
        found(history.certificates, (each) => each.id === id, `certificate ${id}`),
        { expiresAt: Temporal.Instant.from(expiresAt).toString() },
      );
    }
    case "fair": {
      const { exhibitor } = partnerOf(happening.partner);
      const id = `STAND-${1000 + nth}`;
      return added(history.fairVisits, { id, ...chance.pick(fairs), exhibitor, heldOn: today });
    }
  }
}

function added<T>(list: T[], thing: T): T {
  list.push(thing);
  return thing;
}

function found<T>(list: readonly T[], is: (thing: T) => boolean, what: string): T {
  const thing = list.find(is);
  if (thing === undefined) throw new Error(`there is no ${what}`);
  return thing;
}
