import { describe, expect, test } from "vitest";
import { openPull, type PullParts } from "../../../src/ingest/runs/pull.ts";
import type { Collection } from "../../../src/ingest/runs/sync.ts";
import { parseSources } from "../../../src/ingest/sources.ts";

describe("a pull", () => {
  /** Whether it is a complete listing, for a source with these settings. */
  function isListing(connector: string, settings: Record<string, unknown>, full: boolean): boolean {
    const text = JSON.stringify({ sources: { one: { connector, every: "1 hour", settings } } });
    const parts = {
      sources: parseSources(text, "sources.yaml"),
      fetcher: { fetchFor: () => () => Promise.reject(new Error("nothing is fetched")) },
      now: () => new Date("2026-11-25T12:00:00Z"),
      signal: new AbortController().signal,
    } as unknown as PullParts;
    const collection = {
      source: "one",
      full,
      resumed: false,
      key: "main",
      secret: null,
      attributes: {},
      cursor: null,
    };
    return openPull(parts, collection as unknown as Collection).listing;
  }

  const attribution = { by: "category", namespace: "n" };

  test("is a complete listing where one is asked for, or there is nothing smaller", () => {
    const rows = { query: "select 1", evidence: "e", id: "a", "occurred-at": "a", "updated-at": "a" };
    const sql = { ...rows, partner: { namespace: "n", column: "a" } };
    expect([true, false].map((full) => isListing("sql", sql, full))).toEqual([true, false]);
    const blog = { url: "https://a.example", attribution };
    expect([true, false].map((full) => isListing("wordpress", blog, full))).toEqual([true, true]);
  });

  test("of a source that cannot list everything is none, whoever asks", () => {
    const feed = { url: "https://a.example/feed", attribution };
    expect([true, false].map((full) => isListing("feed", feed, full))).toEqual([false, false]);
    const whole = { ...feed, shows: "everything" };
    expect([true, false].map((full) => isListing("feed", whole, full))).toEqual([true, false]);
    const links = { "links-to": "https://a.example/partners" };
    expect([true, false].map((full) => isListing("link-back", links, full))).toEqual([false, false]);
  });
});
