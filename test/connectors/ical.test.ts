import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openServer, type TestServer } from "../../src/conformance/server.ts";
import { ical } from "../../src/connectors/calendar/ical.ts";
import { type Fetcher, openFetcher } from "../../src/connectors/client/fetcher.ts";
import type { Page } from "../../src/connectors/connector.ts";
import { type Bench, conforms, factsOf, inputOf, limits, pagesOf } from "./conformance.ts";
import { JUST_LATE_MS } from "./system.ts";

const SECRET = "fairs:calendar-pass-1234";

function calendar(...lines: string[]): string {
  return `${["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test", ...lines, "END:VCALENDAR"].join("\r\n")}\r\n`;
}

function event(uid: string, ...lines: string[]): string[] {
  return ["BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20260101T000000Z", ...lines, "END:VEVENT"];
}

const settings = {
  evidence: "trade-fair",
  since: "2026-01-01",
  "time-zone": "Europe/Amsterdam",
  attribution: { by: "category", namespace: "exhibitor" },
};

/** A calendar of 520 fairs. */
async function openBench(): Promise<Bench> {
  const source = { fairs: Array.from({ length: 520 }, (_, index) => index), isCut: false };
  const starts = new Map<number, string>();
  const compact = (time: string) => time.replaceAll(/[-:]|\.\d+/g, "");
  const server = await openServer(() => {
    const fairs = source.fairs.flatMap((index) =>
      event(
        `fair-${index}@organiser.example`,
        starts.get(index) ??
          `DTSTART;TZID=Europe/Amsterdam:2026${String((index % 12) + 1).padStart(2, "0")}15T090000`,
        `SUMMARY:Fair ${index}`,
        `CATEGORIES:E${index % 9}`,
      ),
    );
    const text = calendar(...fairs);
    // It begins what it does not give.
    const body = source.isCut ? text.replace("END:VCALENDAR", "BEGIN:VEVENT") : text;
    return { headers: { "content-type": "text/calendar" }, body };
  });
  return {
    server,
    settings: { url: `${server.url}/fairs.ics?key=secret`, ...settings },
    connection: { key: "main", secret: SECRET, attributes: {} },
    now: new Date("2026-10-28T12:00:00Z"),
    secrets: [SECRET, Buffer.from(SECRET).toString("base64"), "key=secret"],
    remove(externalId) {
      source.fairs = source.fairs.filter((index) => !externalId.startsWith(`event/fair-${index}@`));
    },
    lateMs: JUST_LATE_MS,
    add: (changedAt) => {
      const index = 5000 + source.fairs.length;
      starts.set(index, `DTSTART:${compact(changedAt.toISOString())}`);
      source.fairs.push(index);
    },
    repeat: (externalId) => {
      source.fairs.push(Number(/fair-(\d+)@/.exec(externalId)![1]));
    },
    setLocal: (externalId, local) => {
      starts.set(
        Number(/fair-(\d+)@/.exec(externalId)![1]),
        `DTSTART;TZID=Europe/Amsterdam:${compact(local)}`,
      );
    },
    overstate: () => {
      source.isCut = true;
    },
  };
}

describe("ical", () => {
  conforms("ical", ical, openBench);

  let server: TestServer;
  let fetcher: Fetcher;
  let body: string;

  beforeEach(async () => {
    server = await openServer(() => ({ headers: { "content-type": "text/calendar" }, body }));
    fetcher = openFetcher({ allowPrivate: [server.host], userAgent: "standings-test", limits });
  });

  afterEach(async () => {
    await fetcher.close();
    await server.close();
  });

  function pull(text: string, changes: Record<string, unknown> = {}): Promise<Page[]> {
    body = text;
    const bench = {
      settings: { url: `${server.url}/fairs.ics`, ...settings, ...changes },
      connection: { key: "main", secret: undefined, attributes: {} },
      now: new Date("2026-11-25T12:00:00Z"),
    } as unknown as Bench;
    return pagesOf(ical.pull(inputOf(ical, bench, fetcher.fetchFor(new AbortController().signal)) as never));
  }

  /** When the occurrences begin and end. */
  async function times(...lines: string[]): Promise<string[]> {
    const pages = await pull(calendar(...lines), { holds: "until-end" });
    expect(pages.flatMap(({ quarantined = [] }) => quarantined)).toEqual([]);
    return factsOf(pages)
      .map(({ occurredAt, endedAt }) => `${short(occurredAt)}/${endedAt === undefined ? "" : short(endedAt)}`)
      .sort();
  }

  const short = (at: Date) => at.toISOString().slice(0, 16);

  async function refusals(...lines: string[]): Promise<string[]> {
    const pages = await pull(calendar(...lines));
    expect(factsOf(pages)).toEqual([]);
    return pages.flatMap(({ quarantined = [] }) => quarantined.map(({ reason }) => reason));
  }

  const one = (...lines: string[]) => times(...event("a", "CATEGORIES:acme", ...lines));

  test("an occurrence is one fact for each partner it names", async () => {
    const pages = await pull(
      calendar(
        ...event(
          "fair-7",
          "DTSTART:20260303T090000Z",
          "DTEND:20260305T160000Z",
          "SUMMARY:Webwinkel\\, Vakdagen",
          "URL:https://organiser.example/fair-7",
          "CATEGORIES:acme,Smith\\, Sons",
          " & Co",
        ),
      ),
    );
    expect(factsOf(pages)).toEqual(
      ["acme", "Smith, Sons& Co"].map((key) => ({
        externalId: `event/fair-7/${key}`,
        kind: "trade-fair",
        occurredAt: new Date("2026-03-03T09:00:00Z"),
        title: "Webwinkel, Vakdagen",
        link: "https://organiser.example/fair-7",
        identity: { namespace: "exhibitor", key },
      })),
    );
  });

  test("times are in the zone they name, be it IANA's, Windows' or Exchange's, or in the calendar's own", async () => {
    const summer = "20260703T100000";
    expect(await one(`DTSTART;TZID=America/New_York:${summer}`)).toEqual(["2026-07-03T14:00/"]);
    expect(await one(`DTSTART;TZID=W. Europe Standard Time:${summer}`)).toEqual(["2026-07-03T08:00/"]);
    expect(await one(`DTSTART;TZID="(UTC+01:00) Amsterdam, Berlin":${summer}`)).toEqual([
      "2026-07-03T08:00/",
    ]);
    expect(await one(`DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Lisbon:${summer}`)).toEqual([
      "2026-07-03T09:00/",
    ]);
    expect(await one(`DTSTART:${summer}Z`)).toEqual(["2026-07-03T10:00/"]);
    expect(await one(`DTSTART:${summer}`)).toEqual(["2026-07-03T08:00/"]);
  });

  function zone(tzid: string, standard: string, daylight: string): string[] {
    const rules = (kind: string, from: string, to: string, month: number) => [
      `BEGIN:${kind}`,
      "DTSTART:16010101T020000",
      `TZOFFSETFROM:${from}`,
      `TZOFFSETTO:${to}`,
      ...(from === to ? [] : [`RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=${month}`]),
      `END:${kind}`,
    ];
    return [
      "BEGIN:VTIMEZONE",
      `TZID:${tzid}`,
      ...rules("STANDARD", daylight, standard, 10),
      ...(standard === daylight ? [] : rules("DAYLIGHT", standard, daylight, 3)),
      "END:VTIMEZONE",
    ];
  }

  test("a zone of the calendar's own is read by its definition, in exceptions too", async () => {
    for (const name of ["Our Office", "Customized Time Zone", "tzone://Microsoft/Custom"]) {
      const lines = event(
        "a",
        "CATEGORIES:acme",
        `DTSTART;TZID="${name}":20260323T100000`,
        "RRULE:FREQ=WEEKLY;COUNT=3",
        `EXDATE;TZID="${name}":20260323T100000`,
      );
      // Before and after the events of it: a definition may stand anywhere.
      for (const all of [
        [...zone(name, "+0100", "+0200"), ...lines],
        [...lines, ...zone(name, "+0100", "+0200")],
      ]) {
        expect(await times(...all)).toEqual(["2026-03-30T08:00/", "2026-04-06T08:00/"]);
      }
    }
    const tehran = event("a", "CATEGORIES:acme", "DTSTART;TZID=Plant:20260703T100000");
    expect(await times(...zone("Plant", "+0330", "+0330"), ...tehran)).toEqual(["2026-07-03T06:30/"]);
  });

  test("a zone that nothing defines keeps its event aside", async () => {
    const lines = event("a", "CATEGORIES:acme", "DTSTART;TZID=Our Office:20260323T100000");
    expect(await refusals(...lines)).toEqual([
      expect.stringContaining('the time zone "Our Office"') as string,
    ]);
    expect(await refusals(...zone("Our Office", "+0445", "+0545"), ...lines)).toHaveLength(1);
  });

  test("dates are days of the calendar's zone, the end exclusive, across the clock change too", async () => {
    expect(await one("DTSTART;VALUE=DATE:20260328", "DTEND;VALUE=DATE:20260330")).toEqual([
      "2026-03-27T23:00/2026-03-29T22:00",
    ]);
    expect(await one("DTSTART;VALUE=DATE:20261025")).toEqual(["2026-10-24T22:00/2026-10-25T23:00"]);
    expect(
      await one(
        "DTSTART;VALUE=DATE:20260327",
        "RRULE:FREQ=DAILY;UNTIL=20260330",
        "EXDATE;VALUE=DATE:20260328",
      ),
    ).toEqual([
      "2026-03-26T23:00/2026-03-27T23:00",
      "2026-03-28T23:00/2026-03-29T22:00",
      "2026-03-29T22:00/2026-03-30T22:00",
    ]);
  });

  test("recurrences keep their local time over the clock change and end where they are said to", async () => {
    expect(
      await one(
        "DTSTART;TZID=Europe/Amsterdam:20261018T100000",
        "DURATION:PT90M",
        "RRULE:FREQ=WEEKLY;UNTIL=20261101",
      ),
    ).toEqual([
      "2026-10-18T08:00/2026-10-18T09:30",
      "2026-10-25T09:00/2026-10-25T10:30",
      "2026-11-01T09:00/2026-11-01T10:30",
    ]);
  });

  test("a time that comes twice in autumn is the first of the two, with all of its duration; in UTC it says which", async () => {
    expect(
      await one(
        "DTSTART;TZID=Europe/Amsterdam:20261018T023000",
        "DURATION:PT90M",
        "RRULE:FREQ=WEEKLY;COUNT=3",
      ),
    ).toEqual([
      "2026-10-18T00:30/2026-10-18T02:00",
      "2026-10-25T00:30/2026-10-25T02:00",
      "2026-11-01T01:30/2026-11-01T03:00",
    ]);
    expect(
      await one(
        "DTSTART;TZID=Europe/Amsterdam:20261025T023000",
        "DTEND;TZID=Europe/Amsterdam:20261025T033000",
      ),
    ).toEqual(["2026-10-25T00:30/2026-10-25T02:30"]);
    expect(await one("DTSTART:20261025T013000Z", "DURATION:PT1H")).toEqual([
      "2026-10-25T01:30/2026-10-25T02:30",
    ]);
  });

  test("a rule without an end is followed from the first day that counts to a year from now", async () => {
    const days = await one("DTSTART:20100101T100000Z", "RRULE:FREQ=MONTHLY;BYDAY=1MO");
    expect(days[0]).toBe("2026-01-05T10:00/");
    expect(days.at(-1)).toBe("2027-11-01T10:00/");
    expect(days).toHaveLength(23);
  });

  test("a moved occurrence is the same fact, a cancelled one and a cancelled event are none", async () => {
    const series = event("a", "CATEGORIES:acme", "DTSTART:20260601T100000Z", "RRULE:FREQ=DAILY;COUNT=4");
    const override = (id: string, ...lines: string[]) => event("a", `RECURRENCE-ID:${id}`, ...lines);
    const moved = override("20260602T100000Z", "CATEGORIES:acme", "DTSTART:20260620T120000Z");
    const stale = override("20260602T100000Z", "CATEGORIES:acme", "DTSTART:20260621T120000Z");
    const cancelled = override("20260603T100000Z", "DTSTART:20260603T100000Z", "STATUS:CANCELLED");
    const gone = event("b", "CATEGORIES:acme", "DTSTART:20260601T100000Z", "STATUS:CANCELLED");
    const newer = moved.toSpliced(2, 0, "SEQUENCE:2");
    // The order in a file means nothing.
    for (const lines of [
      [...series, ...newer, ...stale, ...cancelled, ...gone],
      [...gone, ...newer, ...cancelled, ...stale, ...series],
    ]) {
      const facts = factsOf(await pull(calendar(...lines)));
      expect(facts.map(({ externalId, occurredAt }) => `${externalId} ${short(occurredAt)}`)).toEqual([
        "event/a/2026-06-01T10:00:00.000Z/acme 2026-06-01T10:00",
        "event/a/2026-06-02T10:00:00.000Z/acme 2026-06-20T12:00",
        "event/a/2026-06-04T10:00:00.000Z/acme 2026-06-04T10:00",
      ]);
    }
  });

  test("whom an event names: attendees who did not decline, its organiser, a property, a mark in its title", async () => {
    const lines = event(
      "a",
      "DTSTART:20260601T100000Z",
      "SUMMARY:Fair with #acme and #brightly",
      "ORGANIZER;CN=Anna:mailto:anna@Organiser.Example",
      'ATTENDEE;CN="Ben; at: Acme";PARTSTAT=ACCEPTED:mailto:ben@acme.example',
      "ATTENDEE:MAILTO:cleo@ACME.example",
      "ATTENDEE;PARTSTAT=DECLINED:mailto:dan@brightly.example",
      "ATTENDEE:urn:uuid:17",
      "X-EXHIBITOR:EX-7,EX-9",
    );
    const keys = async (attribution: Record<string, unknown>) => {
      const pages = await pull(calendar(...lines), { attribution: { namespace: "n", ...attribution } });
      return factsOf(pages).map(({ identity }) => identity?.key);
    };
    expect(await keys({ by: "attendee-domain" })).toEqual(["acme.example"]);
    expect(await keys({ by: "organizer-domain" })).toEqual(["organiser.example"]);
    expect(await keys({ by: "property", property: "x-exhibitor", prefix: "EX-" })).toEqual(["7", "9"]);
    expect(await keys({ by: "summary", prefix: "#" })).toEqual(["acme", "brightly"]);
    expect(await keys({ by: "category" })).toEqual([]);
  });

  test.each([
    [
      "no UID",
      ["BEGIN:VEVENT", "CATEGORIES:acme", "DTSTART:20260601T100000Z", "END:VEVENT"],
      "1 events without a UID",
    ],
    ["no beginning", event("a", "CATEGORIES:acme"), "no DTSTART"],
    [
      "a day that does not exist",
      event("a", "CATEGORIES:acme", "DTSTART:20260231T100000Z"),
      "a DTSTART that is no date",
    ],
    [
      "a beginning that is no date",
      event("a", "CATEGORIES:acme", "DTSTART:soon"),
      "a DTSTART that is no date",
    ],
    [
      "a rule by the second",
      event("a", "CATEGORIES:acme", "DTSTART:20260601T100000Z", "RRULE:FREQ=SECONDLY"),
      "not by the day",
    ],
    [
      "a rule by many hours",
      event("a", "CATEGORIES:acme", "DTSTART:20260601T100000Z", "RRULE:FREQ=DAILY;BYHOUR=1,2"),
      "not by the day",
    ],
    [
      "a rule that is none",
      event("a", "CATEGORIES:acme", "DTSTART:20260601T100000Z", "RRULE:FREQ=DAILY;BYDAY=XX"),
      "",
    ],
    [
      "dates listed one by one",
      event("a", "CATEGORIES:acme", "DTSTART:20260601T100000Z", "RDATE:20260701T100000Z"),
      "RDATE",
    ],
    [
      "a change of all that follow",
      event(
        "a",
        "CATEGORIES:acme",
        "DTSTART:20260601T100000Z",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20260601T100000Z",
      ),
      "all future",
    ],
  ])("an event with %s is kept aside with the reason, and the others are read", async (_, lines, reason) => {
    const pages = await pull(
      calendar(...lines, ...event("fine", "DTSTART:20260601T100000Z", "CATEGORIES:acme")),
    );
    expect(factsOf(pages).map(({ externalId }) => externalId)).toEqual(["event/fine/acme"]);
    const quarantined = pages.flatMap((page) => page.quarantined ?? []);
    expect(quarantined).toHaveLength(1);
    expect(quarantined[0]?.reason).toContain(reason);
    // It may be any of the facts known before: nothing is absent while it is there.
    expect(quarantined[0]?.unidentified).toBe(true);
  });

  test("what is no whole calendar is an error, never an empty one", async () => {
    for (const [text, errorClass] of [
      ["", "data"],
      ["nothing of the kind", "data"],
      ["BEGIN:VEVENT\r\nEND:VEVENT", "data"],
      ["BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR", "data"],
      ["BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\nmore", "data"],
      ["BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\n", "transient"],
      ["<html>log in</html>", "transient"],
    ]) {
      await expect(pull(text ?? ""), text).rejects.toMatchObject({ class: errorClass });
    }
    expect(factsOf(await pull(calendar()))).toEqual([]);
  });

  test("settings name what marks a partner, where that needs a name", () => {
    const parse = (attribution: unknown) =>
      ical.settings.safeParse({ url: "https://a.example", ...settings, attribution }).success;
    expect(parse({ by: "category", namespace: "n" })).toBe(true);
    expect(parse({ by: "property", namespace: "n" })).toBe(false);
    expect(parse({ by: "category", namespace: "n", property: "X-A" })).toBe(false);
    expect(parse({ by: "summary", namespace: "n" })).toBe(false);
  });
});
