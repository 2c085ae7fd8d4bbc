// What docs/connectors/http.md shows, as data: its blocks, its document, and a review site that answers as the page says.
import { readFileSync } from "node:fs";
import { json } from "../../src/conformance/server.ts";
import { parseConnector } from "../../src/connectors/http/document.ts";
import { asConnector, openSystem, partOf } from "./system.ts";

const page = readFileSync(new URL("../../docs/connectors/http.md", import.meta.url), "utf8");
export const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
  ([, language = "", text = ""]) => ({
    language,
    text,
  }),
);
export const blockOf = (language: string, beginning: string) => {
  const found = blocks.find(({ language: its, text }) => its === language && text.includes(beginning));
  if (found === undefined) throw new Error(`the page has no ${language} block with ${beginning}`);
  return found.text;
};

export const DOCUMENT = blockOf("yaml", "id: reviews");
export const SOURCES = blockOf("yaml", "connector: http");
export const CONNECTIONS = blockOf("csv", "key,secret");
export const TOKEN = CONNECTIONS.trim().split(",").at(-1)!;
export const reviews = asConnector(parseConnector(DOCUMENT, "reviews.yaml"));

interface Review {
  id: number;
  state: string;
  updated_at: string;
  [key: string]: unknown;
}

/** The row the page shows. */
const shown = (JSON.parse(blockOf("http", '"data"').split("\n\n")[1]!) as { data: Review[] }).data[0]!;
const review = (n: number): Review => ({
  ...shown,
  id: 71 + n,
  updated_at: new Date(Date.UTC(2026, 9, 2, 10, n)).toISOString(),
});

export const openReviews = () =>
  openSystem<Review>({
    rows: Array.from({ length: 120 }, (_, n) => review(n)),
    routes: {
      "GET /v2/me": () => json({ name: "Anna", plan: "large" }),
      "GET /v2/reviews": ({ query }, holding) => {
        const since = query.get("updated_since");
        const rows = holding.rows.filter(({ updated_at }) => since === null || updated_at >= since);
        const from = Number(
          Buffer.from(query.get("cursor") ?? "", "base64")
            .toString()
            .replace("offset", ""),
        );
        const part = partOf(holding, { from, size: Number(query.get("limit")), another: review, rows });
        const next = part.next === undefined ? null : Buffer.from(`offset${part.next}`).toString("base64");
        return json({ data: part.rows, meta: { total: part.total, next_cursor: next } });
      },
    },
    allows: ({ headers }) => headers["authorization"] === `Bearer ${TOKEN}`,
    settings: (url) => ({ url }),
    secret: TOKEN,
    written: (n, changedAt) => ({ ...review(n), updated_at: changedAt.toISOString() }),
    isMeant: ({ id }, externalId) => externalId === `reviews/${id}`,
  });
