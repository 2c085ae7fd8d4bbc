// The forty partners of the sandbox and their Copernica accounts. All of them are invented.
// What stands here never changes, so partners.csv and connections.csv can name it; when things happened is history.ts.

/** What a partner has done by the time the sandbox is first started. */
export interface Partner {
  slug: string;
  name: string;
  /** The number the vendor's CRM knows the partner by. */
  crm: string;
  /** The code the trade-fair organiser knows it by. */
  exhibitor: string;
  /** The domain of its people's e-mail addresses. */
  domain: string;
  registration: "registered" | "applied" | "lapsed";
  profile: "complete" | "incomplete";
  /** Months ago in which it sent newsletters of its own; empty: it has no account of its own. */
  ownMonths: number[];
  /** `large`: more than 1500 e-mails in every month it sends in. `exact`: 1500 in the previous month, not one more. */
  mail: "large" | "small" | "exact";
  clients: number;
  /** Client accounts that were closed before. */
  left: number;
  /** Joint articles of the last twelve months, and older ones. */
  articles: number;
  olderArticles: number;
  /** People with a certificate in force: advanced (they have the fundamental one too), and fundamental only. */
  advanced: number;
  fundamental: number;
  /** People whose advanced certificate has expired. */
  expired: number;
  /** Its last trade fair. */
  fair: "recent" | "old" | "none";
}

export interface Account {
  /** The account's id at Copernica. */
  key: string;
  name: string;
  /** The slug of the partner that uses it or looks after it. */
  partner: string;
  use: "own" | "client";
  /** Plainly no secret: the sandbox accepts these and only these. */
  token: string;
}

// Newsletters: "14-0" is every month from fourteen months ago until this one, "/3" every third of them.
const table = `
slug                  | name                      | crm  | registration | profile    | newsletters | mail  | clients | left | articles | older | advanced | fundamental | expired | fair
marketing-agency-x    | Marketing Agency X        | 1042 | registered   | complete   | 14-0        | large | 2       | 0    | 1        | 0     | 0        | 1           | 0       | none
de-verzendfabriek     | De Verzendfabriek         | 1003 | registered   | complete   | 14-0        | large | 4       | 0    | 4        | 1     | 3        | 1           | 0       | recent
wolkenpost            | Wolkenpost                | 1007 | registered   | complete   | 14-0        | large | 3       | 1    | 2        | 0     | 2        | 0           | 0       | recent
grachtwerk-digital    | Grachtwerk Digital        | 1011 | registered   | complete   | 14-0        | large | 3       | 0    | 3        | 0     | 1        | 2           | 1       | recent
elbpost-kommunikation | Elbpost Kommunikation     | 1012 | registered   | complete   | 14-0        | large | 3       | 0    | 3        | 0     | 2        | 0           | 0       | old
noordzicht-e-mail     | Noordzicht E-mail         | 1015 | registered   | complete   | 14-0        | large | 3       | 0    | 1        | 1     | 2        | 1           | 0       | recent
the-open-rate         | The Open Rate             | 1016 | registered   | incomplete | 14-0        | large | 3       | 0    | 2        | 0     | 1        | 0           | 0       | recent
bluebottle-and-finch  | Bluebottle & Finch        | 1018 | registered   | complete   | 14-0        | large | 2       | 1    | 3        | 0     | 1        | 0           | 0       | recent
havenlicht-media      | Havenlicht Media          | 1021 | registered   | complete   | 14-0        | large | 3       | 0    | 3        | 0     | 1        | 1           | 0       | none
bureau-vlierhoek      | Bureau Vlierhoek          | 1023 | registered   | complete   | 8-0         | large | 3       | 0    | 1        | 0     | 2        | 0           | 0       | recent
zandlooper            | Zandlooper Communicatie   | 1024 | registered   | complete   | 14-0        | large | 2       | 0    | 1        | 2     | 2        | 0           | 0       | none
kraaiennest-media     | Kraaiennest Media         | 1026 | registered   | complete   | 14-0        | large | 3       | 0    | 2        | 0     | 0        | 2           | 0       | recent
bergkristall-dialog   | Bergkristall Dialog       | 1027 | registered   | complete   | 12-0/3      | large | 3       | 0    | 1        | 0     | 2        | 0           | 0       | none
studio-ooievaar       | Studio Ooievaar           | 1030 | registered   | complete   | 14-0        | large | 3       | 0    | 3        | 0     | 0        | 0           | 2       | old
blauwbrug-marketing   | Blauwbrug Marketing       | 1031 | registered   | complete   | 14-0        | large | 3       | 0    | 2        | 0     | 0        | 0           | 0       | none
fjordpost             | Fjordpost                 | 1033 | registered   | complete   | 14-0        | large | 3       | 0    | 0        | 0     | 1        | 0           | 0       | none
hedgerow-digital      | Hedgerow Digital          | 1036 | registered   | complete   | 14-0        | large | 1       | 1    | 1        | 0     | 0        | 1           | 0       | none
kiezbrief             | Kiezbrief                 | 1038 | registered   | complete   | 14-0        | small | 2       | 0    | 2        | 0     | 0        | 0           | 0       | none
tulp-en-toren         | Tulp & Toren              | 1039 | registered   | complete   | 14-5        | large | 3       | 0    | 0        | 1     | 2        | 0           | 0       | none
lantaarn-en-zonen     | Lantaarn & Zonen          | 1044 | registered   | complete   | 14-0        | small | 2       | 0    | 1        | 0     | 1        | 0           | 0       | none
rietkraag-campagnes   | Rietkraag Campagnes       | 1045 | registered   | incomplete | -           | large | 3       | 0    | 0        | 0     | 1        | 0           | 0       | none
sluiswachter-digital  | Sluiswachter Digital      | 1047 | registered   | complete   | -           | large | 2       | 0    | 1        | 0     | 0        | 0           | 1       | none
paper-lantern-crm     | Paper Lantern CRM         | 1048 | registered   | complete   | 6-0         | small | 1       | 0    | 0        | 0     | 1        | 0           | 0       | none
brievenbus-bureau     | Brievenbus Bureau         | 1051 | registered   | complete   | 14-0        | large | 0       | 2    | 0        | 0     | 0        | 0           | 0       | none
quiet-harbour         | Quiet Harbour             | 1052 | registered   | complete   | 14-0        | small | 1       | 0    | 0        | 0     | 0        | 0           | 0       | none
schwarm-und-soehne    | Schwarm & Söhne           | 1054 | registered   | complete   | -           | large | 3       | 0    | 2        | 0     | 0        | 1           | 0       | recent
maisonette-mail       | Maisonette Mail           | 1057 | registered   | complete   | -           | small | 1       | 0    | 3        | 0     | 0        | 0           | 0       | none
hart-van-hout         | Hart van Hout, Concepts   | 1058 | registered   | complete   | 14-5        | small | 1       | 0    | 0        | 0     | 0        | 0           | 0       | recent
nachtwacht            | Nachtwacht Interactive    | 1060 | registered   | incomplete | 3-0         | small | 1       | 0    | 0        | 0     | 0        | 0           | 0       | none
morgenrood-marketing  | Morgenrood Marketing      | 1063 | registered   | complete   | 14-0        | exact | 0       | 0    | 0        | 0     | 0        | 1           | 0       | none
fuenfkommaacht        | Fünfkommaacht             | 1066 | registered   | complete   | -           | small | 0       | 0    | 0        | 0     | 2        | 0           | 0       | none
lindenblatt-online    | Lindenblatt Online        | 1067 | registered   | complete   | -           | small | 1       | 0    | 1        | 0     | 0        | 0           | 0       | old
agentur-zugvogel      | Agentur Zugvogel          | 1069 | registered   | incomplete | 0-0         | small | 0       | 0    | 0        | 0     | 0        | 0           | 0       | none
atelier-colombe       | Atelier Colombe           | 1070 | registered   | complete   | -           | small | 0       | 0    | 1        | 0     | 0        | 0           | 0       | none
trois-timbres         | Trois Timbres             | 1072 | applied      | incomplete | -           | large | 1       | 0    | 0        | 0     | 0        | 0           | 0       | none
second-tuesday        | Second Tuesday            | 1075 | registered   | complete   | -           | small | 0       | 0    | 0        | 1     | 0        | 0           | 0       | none
inkwell-loop          | The "Inkwell Loop"        | 1076 | registered   | incomplete | -           | small | 0       | 0    | 0        | 0     | 0        | 0           | 0       | none
saltmarsh-studio      | Saltmarsh Studio          | 1078 | registered   | incomplete | -           | small | 0       | 1    | 0        | 0     | 0        | 0           | 0       | none
nordljus-kampanj      | Nordljus Kampanj          | 1081 | lapsed       | incomplete | -           | small | 0       | 0    | 0        | 0     | 1        | 0           | 0       | none
pixelpolder           | Pixelpolder               | 1084 | applied      | incomplete | -           | small | 0       | 0    | 0        | 0     | 0        | 0           | 0       | none
`;

const trades =
  "Bakkerij,Tuincentrum,Hotel,Boekhandel,Fietsenhuis,Theater,Kaasmakerij,Zeilschool,Brouwerij".split(",");
const places =
  "Zilverlinden,Oosterpark,Middelveld,Wilgenhof,Noorderdijk,Sterrenbos,Achterom,Molenweg,Duinzicht,Vaartkade".split(
    ",",
  );
const suffixes = ["", " B.V.", ", sinds 1987", " & Co"];

export const partners: readonly Partner[] = rowsOf(table).map(toPartner);

/** Every account that has a token: the partners' own ones and those of their clients. */
export const accounts: readonly Account[] = partners.flatMap((partner) => [
  ...(partner.ownMonths.length > 0 ? [accountOf(partner, 0)] : []),
  ...Array.from({ length: partner.clients }, (_, n) => accountOf(partner, n + 1)),
]);

/** The account a partner got as its `n`th; 0 is its own. Those without a token have numbers from 50 on. */
export function accountOf(partner: Partner, n: number): Account {
  const key = `${partner.crm}${String(n).padStart(2, "0")}`;
  return {
    key,
    name: n === 0 ? partner.name : clientName(partners.indexOf(partner) * 4 + n),
    partner: partner.slug,
    use: n === 0 ? "own" : "client",
    token: `sandbox-token-${key}`,
  };
}

/** 360 names before one comes back: 7 shares no factor with 9, 10 and 4. */
function clientName(n: number): string {
  const mixed = (n * 7) % 360;
  const [trade = "", place = ""] = [trades[mixed % 9], places[Math.floor(mixed / 9) % 10]];
  return `${trade} ${place}${suffixes[Math.floor(mixed / 90)] ?? ""}`;
}

/** The partner of this slug; throws where there is none. */
export function partnerOf(slug: string): Partner {
  const partner = partners.find((each) => each.slug === slug);
  if (partner === undefined) throw new Error(`there is no partner "${slug}"`);
  return partner;
}

function rowsOf(text: string): Record<string, string>[] {
  const [head = [], ...rows] = text
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  return rows.map((cells) => Object.fromEntries(head.map((name, n) => [name, cells[n] ?? ""])));
}

function toPartner(row: Record<string, string>): Partner {
  const text = (name: string) => row[name] ?? "";
  const number = (name: string) => Number(row[name]);
  const slug = text("slug");
  return {
    slug,
    name: text("name"),
    crm: text("crm"),
    exhibitor: `EX-${text("crm")}`,
    domain: `${slug}.example`,
    registration: text("registration") as Partner["registration"],
    profile: text("profile") as Partner["profile"],
    ownMonths: monthsOf(text("newsletters")),
    mail: text("mail") as Partner["mail"],
    clients: number("clients"),
    left: number("left"),
    articles: number("articles"),
    olderArticles: number("older"),
    advanced: number("advanced"),
    fundamental: number("fundamental"),
    expired: number("expired"),
    fair: text("fair") as Partner["fair"],
  };
}

function monthsOf(text: string): number[] {
  const match = /^(\d+)-(\d+)(?:\/(\d+))?$/.exec(text);
  if (match === null) return [];
  const [from, until, every] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 1)];
  return Array.from({ length: Math.floor((from - until) / every) + 1 }, (_, n) => until + n * every);
}
