// What had happened before the sandbox was first started: fourteen months of it, counted back from that instant (the
// anchor). The same seed and anchor give the same history.
import { Temporal } from "temporal-polyfill";
import { type Chance, chanceOf } from "./chance.ts";
import { type Mailing, mailingsBefore, timeZone } from "./mailings.ts";
import { accountOf, type Partner, partners } from "./partners.ts";

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
}

export interface FairVisit {
  id: string;
  fair: string;
  city: string;
  exhibitor: string;
  heldOn: string;
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
  clientAccounts: ClientAccount[];
  certificates: Certificate[];
  fairVisits: FairVisit[];
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
    articles: articlesBefore(end, seed),
    clientAccounts: partners.flatMap((partner) =>
      clientAccountsOf(partner, today, chanceOf(seed, "clients", partner.slug)),
    ),
    certificates: certificatesBefore(today, seed),
    fairVisits: fairVisitsBefore(today, seed),
    registrations: partners.map((partner) =>
      registrationOf(partner, today, chanceOf(seed, "crm", partner.slug)),
    ),
  };
}

function articlesBefore(end: Temporal.ZonedDateTime, seed: string): Article[] {
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
  return drafts.map((draft, n) => ({ ...draft, id: 300 + n }));
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
      const common = { id: "", holder, employer: partner.domain, expiresAt: undefined };
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
  // Somebody who works for no partner.
  const stranger = { holder: "holder-0-1", level: "advanced", employer: "somewhere-else.example" } as const;
  certificates.push({
    ...stranger,
    id: "",
    passedOn: today.subtract({ days: 50 }).toString(),
    expiresAt: undefined,
  });
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
