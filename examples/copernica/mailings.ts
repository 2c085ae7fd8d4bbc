// The mailings of every account in the fourteen months before the anchor, and how Copernica writes their time.
import type { Temporal } from "temporal-polyfill";
import { type Chance, chanceOf } from "./chance.ts";
import { type Account, accounts, partnerOf } from "./partners.ts";

/** Of Copernica, of the blog and of the exports. */
export const timeZone = "Europe/Amsterdam";

/** An emailing of Copernica, with the date as it gives it: local time without a zone. */
export interface Mailing {
  /** Unique within its product only, as a system with two tables has it. */
  id: number;
  account: string;
  product: "publisher" | "ms";
  timestamp: string;
  type: "mass" | "individual";
  followup: boolean;
  test: boolean;
  subject: string;
  destinations: number;
}

export const subjects = [
  "Nieuwsbrief",
  "Onze cases",
  "Uitnodiging",
  "Seizoensbrief",
  "Nieuw binnen",
] as const;

/** The mailings of the fourteen months before `end`, oldest first. */
export function mailingsBefore(end: Temporal.ZonedDateTime, seed: string): Mailing[] {
  const mailings = accounts.flatMap((account) =>
    mailingsOf(account, end, chanceOf(seed, "mail", account.key)),
  );
  for (const account of accounts.filter((each) => partnerOf(each.partner).mail === "exact")) {
    mailings.push(restUntil1500(account, mailings, end));
  }
  // A draft that was never sent: Copernica gives it a date of zeros.
  mailings.push({ ...emptyMailing("104202"), timestamp: "0000-00-00 00:00:00", subject: "(concept)" });
  mailings.sort((a, b) => compare(a.timestamp, b.timestamp) || compare(a.account, b.account));
  const ids = { publisher: 0, ms: 0 };
  for (const mailing of mailings) mailing.id = ++ids[mailing.product];
  return mailings;
}

function mailingsOf(account: Account, end: Temporal.ZonedDateTime, chance: Chance): Mailing[] {
  const partner = partnerOf(account.partner);
  const large = partner.mail === "large";
  const list = large ? chance.whole(1650, 6000) : chance.whole(40, 100);
  const products = chance.pick([["publisher"], ["ms"], ["publisher", "ms"]] as const);
  const present = end.toPlainDate().toPlainYearMonth();
  const months = Array.from({ length: 15 }, (_, n) => present.subtract({ months: n }));
  const mailings: Mailing[] = [];
  const add = (monthsAgo: number, product: Mailing["product"], rest: Partial<Mailing>) => {
    const timestamp = timestampIn(months[monthsAgo] ?? present, end, chance);
    mailings.push({
      ...emptyMailing(account.key),
      product,
      timestamp,
      subject: chance.pick(subjects),
      ...rest,
    });
  };
  for (let monthsAgo = 14; monthsAgo >= 0; monthsAgo--) {
    // What is no newsletter: follow-ups, tests and mail to one person at a time.
    if (chance.next() < 0.4)
      add(monthsAgo, "publisher", { type: "individual", destinations: chance.whole(1, 20) });
    if (account.use === "own" && !partner.ownMonths.includes(monthsAgo)) continue;
    const share = monthsAgo === 0 ? end.day / end.daysInMonth : 1;
    const times = Math.max(1, Math.round(chance.whole(1, large ? 4 : 3) * share));
    for (let n = 0; n < times; n++) {
      const product = products[n % products.length] ?? "publisher";
      const destinations = Math.round(list * (0.94 + chance.next() * 0.06));
      add(monthsAgo, product, { destinations });
      if (chance.next() < 0.15)
        add(monthsAgo, product, { followup: true, destinations: Math.round(list / 10) });
      if (chance.next() < 0.25) add(monthsAgo, "publisher", { test: true, destinations: 3 });
    }
  }
  return mailings;
}

/** One mail more in the previous month, so that the month comes to exactly 1500. */
function restUntil1500(account: Account, mailings: Mailing[], end: Temporal.ZonedDateTime): Mailing {
  const month = end.toPlainDate().toPlainYearMonth().subtract({ months: 1 }).toString();
  const sent = mailings
    .filter((mailing) => mailing.account === account.key && mailing.timestamp.startsWith(month))
    .reduce((sum, mailing) => sum + mailing.destinations, 0);
  const timestamp = `${month}-14 10:30:00`;
  return { ...emptyMailing(account.key), timestamp, type: "individual", destinations: 1500 - sent };
}

function emptyMailing(account: string): Mailing {
  const rest = { type: "mass", followup: false, test: false, subject: "", destinations: 0 } as const;
  return { id: 0, account, product: "ms", timestamp: "", ...rest };
}

/** A moment in office hours; in the month that is still running, one that has already been. */
function timestampIn(month: Temporal.PlainYearMonth, end: Temporal.ZonedDateTime, chance: Chance): string {
  const isRunning = month.year === end.year && month.month === end.month;
  const parts = [
    chance.whole(1, isRunning ? end.day : month.daysInMonth),
    chance.whole(8, 17),
    chance.whole(0, 59),
    chance.whole(0, 59),
  ];
  const [day, hour, minute, second] = parts.map((part) => String(part).padStart(2, "0"));
  const timestamp = `${month.toString()}-${day} ${hour}:${minute}:${second}`;
  if (!isRunning || timestamp < toTimestamp(end)) return timestamp;
  const start = month.toPlainDate({ day: 1 }).toZonedDateTime(timeZone);
  const elapsed = (end.epochMilliseconds - start.epochMilliseconds) * chance.next();
  return toTimestamp(start.add({ milliseconds: Math.floor(elapsed) }));
}

/** How Copernica writes an instant. */
export function toTimestamp(moment: Temporal.ZonedDateTime): string {
  return moment.toPlainDateTime().toString({ smallestUnit: "second" }).replace("T", " ");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
