// What a redirect makes of a request, and where a paging link may lead: pure functions of what a source has said.
import { describe, expect, test } from "vitest";
import { toNextUrl, toRedirected } from "../../src/connectors/client/redirects.ts";

const headers = {
  Authorization: "Bearer s3cret",
  "x-api-key": "s3cret",
  cookie: "session=s3cret",
  Accept: "text/csv",
};

function redirected(to: string, { from = "https://api.example.com/old", status = 302, ...hop } = {}) {
  return toRedirected(
    { url: from, headers, ...hop },
    new URL(from),
    { status, headers: { location: to }, text: "" },
    "GET api.example.com/old",
  );
}

describe("a redirect", () => {
  test.each([
    "https://api.example.com/new",
    "/new",
    "new",
    "?page=2",
    "//api.example.com/new",
    "https://API.example.com:443/new",
  ])("to %s stays on its origin, with its credentials", (to) => {
    expect(redirected(to)).toMatchObject({ headers });
  });

  test.each([
    "https://api.example.com:8443/new",
    "https://api.example.com./new",
    "https://other.example.com/new",
    "https://example.com/new",
    "https://api.example.com.evil.example/new",
    "//evil.example/new",
    "\\\\evil.example\\new",
    "/\\evil.example/new",
  ])("to %s leaves it, without them", (to) => {
    const next = redirected(to);
    expect(next.headers).toEqual({ Accept: "text/csv" });
    expect(JSON.stringify(next)).not.toContain("s3cret");
  });

  test("from http to https is another origin", () => {
    expect(redirected("https://api.example.com/", { from: "http://api.example.com/" }).headers).toEqual({
      Accept: "text/csv",
    });
  });

  test("from https to http is refused, on the same host too", () => {
    for (const to of ["http://api.example.com/new", "http://evil.example/"]) {
      expect(() => redirected(to)).toThrow("GET api.example.com/old redirects from https to http");
    }
  });

  test("takes no body to another origin", () => {
    for (const status of [307, 308]) {
      expect(() =>
        redirected("https://other.example.com/", { status, ...{ method: "POST", body: "a=1" } }),
      ).toThrow("redirects a body to other.example.com; set that address as the source's url");
    }
    expect(
      redirected("https://other.example.com/", { status: 303, ...{ method: "POST", body: "a=1" } }),
    ).toMatchObject({
      method: "GET",
      body: undefined,
    });
  });
});

describe("a paging link", () => {
  const base = "https://api.example.com/v1/posts?page=1";
  const next = (link: string) => toNextUrl(link, base, "api.example.com/v1/posts");

  test.each([
    ["?page=2", "https://api.example.com/v1/posts?page=2"],
    ["/v1/posts?page=2#top", "https://api.example.com/v1/posts?page=2"],
    ["https://api.example.com/v2/posts", "https://api.example.com/v2/posts"],
    ["HTTPS://API.EXAMPLE.COM:443/v2/posts", "https://api.example.com/v2/posts"],
  ])("%s is followed", (link, expected) => {
    expect(next(link)).toBe(expected);
  });

  test.each([
    "https://evil.example/v1/posts?page=2",
    "http://api.example.com/v1/posts?page=2",
    "https://api.example.com:8443/v1/posts?page=2",
    "https://api.example.com.evil.example/",
    "https://api.example.com@evil.example/",
    "https://user:s3cret@api.example.com/",
    "//evil.example/",
    "\\\\evil.example",
    "/\\evil.example",
    "file:///etc/passwd",
    "data:application/json,[]",
    "javascript:[]",
  ])("%s is not", (link) => {
    expect(() => next(link)).toThrow("api.example.com/v1/posts goes on at another host");
  });

  test("that is no address is told apart", () => {
    expect(() => next("https://[")).toThrow("goes on at an address that is none");
  });
});
