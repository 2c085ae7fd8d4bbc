// How the sandbox's systems fail: now and then by themselves, or as somebody has asked them to.
import { type Answer, html, json } from "./answer.ts";

export const systems = [
  "copernica",
  "blog",
  "magazine",
  "partners",
  "accounts",
  "certificates",
  "fairs",
] as const;
export type System = (typeof systems)[number];

/**
 * `html`: a page where data was expected, with status 200. `half-page`: the connection is lost in the middle of the body.
 * `short-page`: half of the rows, while the counts beside them (where a system gives any) speak of all.
 */
export const modes = ["none", "500", "429", "html", "half-page", "short-page"] as const;

interface Fault {
  mode: (typeof modes)[number];
  /** Seconds, for 429. */
  retryAfter?: number | undefined;
  /** How many answers it spoils; without it, all of them until the mode is set to "none". */
  times?: number | undefined;
}

/** `cut`: only half of the body goes out. */
export type Spoiled = Answer & { cut?: boolean };

export interface Faults {
  set(system: System, fault: Fault): void;
  /** The faults that are asked for. */
  asked(): Partial<Record<System, Fault>>;
  /** The answer as it goes out. `key` tells requests apart: after an accidental fault the same request succeeds. */
  spoil(system: System, key: string, answer: Answer): Spoiled;
}

/** With `accidents`, every so many answers of a system fail once: deterministic, so that repeating a request helps. */
export function openFaults(accidents: boolean): Faults {
  const asked = new Map<System, Fault>();
  const counts = new Map<System, number>();
  const failed = new Set<string>();

  function accident(system: System, key: string): Answer | undefined {
    // The request after an accident is the retry, or may be it.
    if (failed.delete(key)) return undefined;
    const count = (counts.get(system) ?? 0) + 1;
    counts.set(system, count);
    const busy = system === "copernica" ? 600 : 45;
    const down = system === "copernica" ? 400 : 25;
    if (count % busy !== 0 && count % down !== 0) return undefined;
    failed.add(key);
    if (count % busy === 0)
      return json({ error: { message: "Too many requests" } }, 429, { "retry-after": "1" });
    return html("Loadbalancer Error: too many requests", 503);
  }

  return {
    set(system, fault) {
      if (fault.mode === "none") asked.delete(system);
      else asked.set(system, { ...fault });
    },
    asked: () => Object.fromEntries(asked),
    spoil(system, key, answer) {
      const fault = asked.get(system);
      if (fault === undefined) return (accidents ? accident(system, key) : undefined) ?? answer;
      if (fault.times !== undefined && --fault.times <= 0) asked.delete(system);
      return spoiled(fault, answer);
    },
  };
}

function spoiled(fault: Fault, answer: Answer): Spoiled {
  switch (fault.mode) {
    case "500":
      return json({ error: { message: "Internal error" } }, 500);
    case "429":
      return json({ error: { message: "Too many requests" } }, 429, {
        "retry-after": String(fault.retryAfter ?? 1),
      });
    case "html":
      return html("We will be right back", 200);
    case "half-page":
      return { ...answer, cut: true };
    case "short-page":
      return { ...answer, body: halfOf(answer) };
    case "none":
      return answer;
  }
}

/** What a row is, by content type. */
const rows: Record<string, RegExp> = {
  "text/calendar": /BEGIN:VEVENT\r\n[\s\S]*?END:VEVENT\r\n/g,
  "application/atom+xml": /<entry>[\s\S]*?<\/entry>/g,
};

/** Half of the rows of a list; anything else as it is. */
function halfOf({ headers, body }: Answer): string {
  const row = rows[headers["content-type"]?.split(";")[0] ?? ""];
  if (row !== undefined) {
    const half = Math.floor((body.match(row) ?? []).length / 2);
    let nth = 0;
    return body.replace(row, (whole) => (nth++ < half ? whole : ""));
  }
  if (headers["content-type"]?.startsWith("text/csv") === true) {
    const lines = body.split("\r\n");
    return `${lines.slice(0, Math.ceil(lines.length / 2)).join("\r\n")}\r\n`;
  }
  if (headers["content-type"]?.startsWith("application/json") !== true) return body;
  const half = (value: unknown): unknown =>
    Array.isArray(value) ? value.slice(0, Math.floor(value.length / 2)) : value;
  const value = JSON.parse(body) as unknown;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(half(value));
  return JSON.stringify(Object.fromEntries(Object.entries(value).map(([name, rows]) => [name, half(rows)])));
}
