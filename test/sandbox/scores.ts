// What the example's programme awards at the sandbox's first start, whenever that is. Worked out by hand from the table in
// examples/copernica/partners.ts, achievement by achievement, in the order of programme.yaml.
const byHand: Record<string, number[]> = {
  "de-verzendfabriek": [10, 5, 10, 12, 8, 15, 15, 15, 10],
  wolkenpost: [10, 5, 10, 12, 8, 15, 10, 15, 10],
  "grachtwerk-digital": [10, 5, 10, 12, 8, 15, 15, 7, 10],
  "elbpost-kommunikation": [10, 5, 10, 12, 8, 15, 15, 15, 0],
  "noordzicht-e-mail": [10, 5, 10, 12, 8, 15, 5, 15, 10],
  "bluebottle-and-finch": [10, 5, 10, 12, 8, 10, 15, 7, 10],
  "bureau-vlierhoek": [10, 5, 10, 9, 8, 15, 5, 15, 10],
  "havenlicht-media": [10, 5, 10, 12, 8, 15, 15, 7, 0],
  "the-open-rate": [10, 0, 10, 12, 8, 15, 10, 7, 10],
  "kraaiennest-media": [10, 5, 10, 12, 8, 15, 10, 0, 10],
  zandlooper: [10, 5, 10, 12, 8, 10, 5, 15, 0],
  "studio-ooievaar": [10, 5, 10, 12, 8, 15, 15, 0, 0],
  "blauwbrug-marketing": [10, 5, 10, 12, 8, 15, 10, 0, 0],
  fjordpost: [10, 5, 10, 12, 8, 15, 0, 7, 0],
  "bergkristall-dialog": [10, 5, 10, 4, 8, 15, 5, 15, 0],
  "tulp-en-toren": [10, 5, 10, 7, 0, 15, 0, 15, 0],
  "marketing-agency-x": [10, 5, 10, 12, 8, 10, 5, 0, 0],
  "schwarm-und-soehne": [10, 5, 10, 0, 0, 15, 10, 0, 10],
  "lantaarn-en-zonen": [10, 5, 0, 12, 8, 10, 5, 7, 0],
  "hedgerow-digital": [10, 5, 10, 12, 8, 5, 5, 0, 0],
  kiezbrief: [10, 5, 0, 12, 8, 10, 10, 0, 0],
  "brievenbus-bureau": [10, 5, 10, 12, 8, 0, 0, 0, 0],
  "paper-lantern-crm": [10, 5, 0, 7, 8, 5, 0, 7, 0],
  "rietkraag-campagnes": [10, 0, 10, 0, 0, 15, 0, 7, 0],
  "quiet-harbour": [10, 5, 0, 12, 8, 5, 0, 0, 0],
  "sluiswachter-digital": [10, 5, 10, 0, 0, 10, 5, 0, 0],
  "hart-van-hout": [10, 5, 0, 7, 0, 5, 0, 0, 10],
  "maisonette-mail": [10, 5, 0, 0, 0, 5, 15, 0, 0],
  "morgenrood-marketing": [10, 5, 0, 12, 8, 0, 0, 0, 0],
  fuenfkommaacht: [10, 5, 0, 0, 0, 0, 0, 15, 0],
  nachtwacht: [10, 0, 0, 4, 8, 5, 0, 0, 0],
  "lindenblatt-online": [10, 5, 0, 0, 0, 5, 5, 0, 0],
  "atelier-colombe": [10, 5, 0, 0, 0, 0, 5, 0, 0],
  "agentur-zugvogel": [10, 0, 0, 1, 8, 0, 0, 0, 0],
  "second-tuesday": [10, 5, 0, 0, 0, 0, 0, 0, 0],
  "trois-timbres": [0, 0, 10, 0, 0, 5, 0, 0, 0],
  "inkwell-loop": [10, 0, 0, 0, 0, 0, 0, 0, 0],
  "saltmarsh-studio": [10, 0, 0, 0, 0, 0, 0, 0, 0],
  "nordljus-kampanj": [0, 0, 0, 0, 0, 0, 0, 7, 0],
  pixelpolder: [0, 0, 0, 0, 0, 0, 0, 0, 0],
};

const achievements = [
  "registered",
  "profile",
  "e-mails",
  "regular-newsletters",
  "own-use",
  "client-accounts",
  "joint-articles",
  "certified-people",
  "trade-fair",
];

/** Partner -> achievement -> points. */
export const pointsAtFirstStart: Record<string, Record<string, number>> = Object.fromEntries(
  Object.entries(byHand).map(([slug, points]) => [
    slug,
    Object.fromEntries(achievements.map((key, n) => [key, points[n] ?? 0])),
  ]),
);

/** Partner -> score. */
export const scoresAtFirstStart: Record<string, number> = Object.fromEntries(
  Object.entries(byHand).map(([slug, points]) => [slug, points.reduce((sum, each) => sum + each, 0)]),
);
