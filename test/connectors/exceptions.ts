// Which cases of the conformance suite can't be tried with a connector, and why. docs/connectors/conformance.md prints them, and
// conformance.test.ts holds it against this.
import { requestCases } from "../../src/conformance/request-cases.ts";

type Reasons = Record<string, string>;

const ZONED = { "clock-change": "Every date it reads says its zone, or is UTC by definition." };
const ONE_ANSWER = "One answer holds everything: there are no pages.";
const NO_TOTAL = "The system does not say how many rows there are; whether there is more, it does.";
const ONE_PAGE = {
  "page-not-full": ONE_ANSWER,
  endless: ONE_ANSWER,
};
const NO_COUNT = "A whole document says its end, and no number that could lie.";

/** Of connectors by name; a document of the tests that has exceptions of its own is named as they call it. */
const exceptions: Record<string, Reasons> = {
  accredible: ZONED,
  brevo: ZONED,
  credly: ZONED,
  eventbrite: ZONED,
  ghost: ZONED,
  hubspot: {
    ...ZONED,
    "total-too-small": "A complete listing announces no total, only whether there is more.",
  },
  mailchimp: ZONED,
  salesforce: ZONED,
  stripe: { ...ZONED, "total-too-small": NO_TOTAL },
  wordpress: ZONED,
  reviews: ZONED,
  feed: { ...ONE_PAGE, "total-too-small": NO_COUNT },
  ical: { ...ONE_PAGE, "total-too-small": NO_COUNT },
  "open-badges": { ...ONE_PAGE, ...ZONED, "total-too-small": NO_COUNT },
  "table, CSV": ONE_PAGE,
  "link-back": {
    ...ONE_PAGE,
    "clock-change": "The time of its fact is that of the pull.",
    "empty-source": "A link that is missed is waited for, some days, before it is called gone.",
    "duplicate-row": "There is one fact: the link is there, however often.",
    "row-added-while-paging": ONE_ANSWER,
    "tie-on-the-cursor": "It has one fact and asks for all of it each time.",
    "late-row": "It has one fact and asks for all of it each time.",
    "back-dated-row": "It has one fact, whose time is that of the pull.",
    "total-too-large": "A web page announces no number.",
    "total-too-small": "A web page announces no number.",
    "html-200": "What it asks for is a web page.",
    "half-document":
      "Half a web page is one: there is no form to hold it to. Without the link it waits some days before it believes.",
  },
  sql: {
    ...Object.fromEntries(
      requestCases.map(({ key }) => [
        key,
        "It asks a database, not HTTP: sql.test.ts breaks its connections, and query.ts holds its address.",
      ]),
    ),
    "late-row":
      "What is late by less than `lag` is waited for, which sql.test.ts tries; what is later is in the next complete listing.",
    "page-not-full": "A page that is not full is the end: Postgres gives all that is there.",
    "total-too-large": "A query announces no number.",
    "total-too-small": "A query announces no number.",
    endless: "sql.test.ts tries it with a query whose change is always now.",
    "duplicate-row":
      "Rows are told apart by their place in the order; sql.test.ts tries ids that are there twice.",
  },
};

export function exceptionsOf(name: string): Reasons {
  return exceptions[name] ?? {};
}

/** Every exception, one entry for cases of a connector that share the reason. */
export function listExceptions(): { connector: string; cases: string[]; reason: string }[] {
  return Object.entries(exceptions).flatMap(([connector, reasons]) =>
    [...new Set(Object.values(reasons))].map((reason) => ({
      connector,
      cases: Object.keys(reasons).filter((key) => reasons[key] === reason),
      reason,
    })),
  );
}
