// What had happened before the sandbox was first started: fourteen months of it, counted back from that instant (the
// anchor). The same seed and anchor give the same history.
import { Temporal } from "temporal-polyfill";
import { type Chance, chanceOf } from "./chance.ts";
import { type Mailing, mailingsBefore, timeZone } from "./mailings.ts";
import { accountOf, type Partner, partnerOf, partners } from "./partners.ts";

export interface Article {
  id: number;
  /** The slug of its category: a partner, or the vendor's own news. */
  category: string;
  title: string;
  author: number;
  /** ISO instants. */
  publishedAt: string;
  modifiedAt: string;
  status: "publish" | "trash";
}

/** An article with a partner in the trade magazine, or one of its editors' own. */
export interface Feature {
  id: number;
  /** The slug of the partner who wrote it; undefined: the editors. */
  partner: string | undefined;
  title: string;
  /** ISO instant. */
  publishedAt: string;
}

/** A row of the CRM's list of client accounts; dates are local. */
export interface ClientAccount {
  key: string;
  name: string;
  crm: string;
  openedOn: string;
  closedOn: string | undefined;
}

export interface Certificate {
  id: string;
  holder: string;
  level: "fundamental" | "advanced";
  employer: string;
  passedOn: string;
  /** ISO instant; undefined: for good. */
  expiresAt: string | undefined;
  /** Taken back by the academy. */
  isRevoked: boolean;
}

export interface FairVisit {
  id: string;
  fair: string;
  city: string;
  exhibitor: string;
  heldOn: string;
}

/** A fair that is on in one city after another, a day a month, always with the same exhibitor. Times are local. */
export interface Tour {
  id: string;
  fair: string;
  exhibitor: string;
  /** The first day; the others are on the same day of the months that follow. */
  firstOn: string;
  /** How many days were planned. */
  days: number;
  opensAt: string;
  closesAt: string;
  /** A day that was called off, and one that was put off. */
  calledOff: string;
  putOff: { from: string; to: string };
}

interface Registration {
  crm: string;
  company: string;
  status: Partner["registration"];
  registeredOn: string;
  profile: Partner["profile"];
  profileCheckedOn: string;
}

export interface History {
  mailings: Mailing[];
  articles: Article[];
  features: Feature[];
  clientAccounts: ClientAccount[];
  certificates: Certificate[];
  fairVisits: FairVisit[];
  tour: Tour;
  registrations: Registration[];
}

export const titles = [
  "How they doubled their reach",
  "A welcome flow that works",
  "Fewer mails, more answers",
] as const;
export const fairs = [
  { fair: "Inbox Expo", city: "Utrecht" },
  { fair: "Dialoogdagen", city: "Gent" },
  { fair: "Forum Direktpost", city: "Köln" },
] as const;

/** Everything there is at the first start. */
export function historyBefore(anchor: Date, seed: string): History {
  const end = Temporal.Instant.fromEpochMilliseconds(anchor.getTime()).toZonedDateTimeISO(timeZone);
  const today = end.toPlainDate();
  return {
    mailings: mailingsBefore(end, seed),
    ...articlesBefore(end, seed),
    clientAccounts: partners.flatMap((partner) =>
      clientAccountsOf(partner, today, chanceOf(seed, "clients", partner.slug)),
    ),
    certificates: certificatesBefore(today, seed),
    fairVisits: fairVisitsBefore(today, seed),
    tour: tourBefore(today),
    registrations: partners.map((partner) =>
      registrationOf(partner, today, chanceOf(seed, "crm", partner.slug)),
    ),
  };
}

function articlesBefore(
  end: Temporal.ZonedDateTime,
  seed: string,
): { articles: Article[]; features: Feature[] } {
  const drafts = partners.flatMap((partner) => {
    const chance = chanceOf(seed, "articles", partner.slug);
    const article = (least: number, most: number) => articleOf(partner.slug, end, chance, least, most);
    return [
      ...Array.from({ length: partner.articles }, () => article(5, 340)),
      ...Array.from({ length: partner.olderArticles }, () => article(380, 420)),
    ];
  });
  const news = chanceOf(seed, "news");
  for (let n = 0; n < 3; n++) drafts.push(articleOf("product-news", end, news, 5, 300));
  drafts.sort((a, b) => compare(a.publishedAt, b.publishedAt));
  const all = drafts.map((draft, n) => ({ ...draft, id: 300 + n }));
  // Who writes much was in the magazine with one of them: the newest.
  const inMagazine = partners
    .filter((partner) => partner.articles > 2)
    .map(({ slug }) => all.findLast(({ category }) => category === slug)?.id);
  const features = all
    .filter(({ id }) => inMagazine.includes(id))
    .map(({ id, category, title, publishedAt }) => ({ id, partner: category, title, publishedAt }));
  const [first] = features;
  // The editors write as well, and that counts for nobody.
  const own = first === undefined ? [] : [{ ...first, id: 200, partner: undefined }];
  return { articles: all.filter(({ id }) => !inMagazine.includes(id)), features: [...own, ...features] };
}

function articleOf(
  category: string,
  end: Temporal.ZonedDateTime,
  chance: Chance,
  least: number,
  most: number,
): Article {
  const published = end.subtract({ days: chance.whole(least, most), seconds: chance.whole(0, 40_000) });
  const modified = published.add({ minutes: chance.whole(0, 4000) });
  const toIso = (moment: Temporal.ZonedDateTime) => moment.toInstant().toString({ smallestUnit: "second" });
  return {
    id: 0,
    category,
    title: chance.pick(titles),
    author: chance.whole(1, 4),
    publishedAt: toIso(published),
    modifiedAt: toIso(modified),
    status: "publish",
  };
}

function clientAccountsOf(partner: Partner, today: Temporal.PlainDate, chance: Chance): ClientAccount[] {
  const row = (n: number, opened: number, closed?: number): ClientAccount => ({
    key: accountOf(partner, n).key,
    name: accountOf(partner, n).name,
    crm: partner.crm,
    openedOn: today.subtract({ days: opened }).toString(),
    closedOn: closed === undefined ? undefined : today.subtract({ days: closed }).toString(),
  });
  return [
    ...Array.from({ length: partner.clients }, (_, n) => row(n + 1, chance.whole(450, 1800))),
    ...Array.from({ length: partner.left }, (_, n) =>
      row(n + 30, chance.whole(450, 1200), chance.whole(20, 400)),
    ),
  ];
}

function certificatesBefore(today: Temporal.PlainDate, seed: string): Certificate[] {
  const certificates = partners.flatMap((partner) => {
    const chance = chanceOf(seed, "certificates", partner.slug);
    const people = partner.advanced + partner.fundamental + partner.expired;
    return Array.from({ length: people }, (_, n) => {
      const holder = `holder-${partner.crm}-${n + 1}`;
      const passed = chance.whole(100, 600);
      const common = { id: "", holder, employer: partner.domain, expiresAt: undefined, isRevoked: false };
      const passedOn = today.subtract({ days: passed + 60 }).toString();
      const fundamental: Certificate = { ...common, level: "fundamental", passedOn };
      if (n >= partner.advanced + partner.expired) return [fundamental];
      const expires = n < partner.advanced ? chance.whole(200, 500) : -chance.whole(10, 90);
      const expiresAt = `${today.add({ days: expires }).toString()}T22:00:00Z`;
      const advanced: Certificate = {
        ...common,
        level: "advanced",
        passedOn: today.subtract({ days: passed }).toString(),
        expiresAt: n < partner.advanced && chance.next() < 0.5 ? undefined : expiresAt,
      };
      // The first person of the largest team renewed in time: two certificates, and still one person.
      const renewed = n === 0 && partner.advanced > 2 ? [{ ...advanced, expiresAt: undefined }] : [];
      return [fundamental, advanced, ...renewed];
    }).flat();
  });
  const more = (holder: string, employer: string, days: number, isRevoked: boolean) => {
    const passedOn = today.subtract({ days }).toString();
    certificates.push({
      ...{ id: "", holder, level: "advanced", employer, passedOn, expiresAt: undefined, isRevoked },
    });
  };
  // Somebody who works for no partner, and somebody who had not passed the test at all.
  more("holder-0-1", "somewhere-else.example", 50, false);
  more("holder-1042-9", partnerOf("marketing-agency-x").domain, 90, true);
  return certificates.map((certificate, n) => ({ ...certificate, id: `CERT-${1001 + n}` }));
}

function fairVisitsBefore(today: Temporal.PlainDate, seed: string): FairVisit[] {
  return partners
    .filter((partner) => partner.fair !== "none")
    .map((partner, n) => {
      const chance = chanceOf(seed, "fairs", partner.slug);
      const days = partner.fair === "recent" ? chance.whole(20, 330) : chance.whole(380, 420);
      const heldOn = today.subtract({ days }).toString();
      return { id: `STAND-${n + 1}`, ...chance.pick(fairs), exhibitor: partner.exhibitor, heldOn };
    });
}

/** Long over, so that it takes nothing away and brings nothing while the sandbox lives. Its exhibitor was at another fair besides. */
function tourBefore(today: Temporal.PlainDate): Tour {
  const first = today.subtract({ months: 10 }).with({ day: 12 });
  const day = (n: number) => first.add({ months: n });
  return {
    id: "TOUR-1",
    fair: "Inbox Expo on tour",
    exhibitor: partnerOf("bureau-vlierhoek").exhibitor,
    firstOn: first.toString(),
    days: 6,
    opensAt: "10:00",
    closesAt: "17:30",
    calledOff: day(2).toString(),
    putOff: { from: day(4).toString(), to: day(4).add({ days: 7 }).toString() },
  };
}

function registrationOf(partner: Partner, today: Temporal.PlainDate, chance: Chance): Registration {
  const registered = chance.whole(500, 3000);
  return {
    crm: partner.crm,
    company: partner.name,
    status: partner.registration,
    registeredOn: today.subtract({ days: registered }).toString(),
    profile: partner.profile,
    profileCheckedOn: today.subtract({ days: chance.whole(10, 400) }).toString(),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
