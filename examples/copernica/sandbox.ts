// A local server that answers like the systems a partner programme has its evidence in. No account and no network needed.
//
//   /copernica/authenticate, /copernica/v4/…   the mailings         copernica-api.ts
//   /blog/wp-json/wp/v2/…                      the joint articles   wordpress-api.ts
//   /magazine/feed.atom                        more of them         magazine.ts
//   /academy/…                                 the certificates     academy.ts
//   /organiser/exhibitors.ics                  the trade fairs      organiser.ts
//   /exports/*.csv                             the rest             exports.ts
//   /sandbox…                                  for people           admin.ts
//
// It listens on 127.0.0.1 only and knows nothing of Standings.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve as resolvePath } from "node:path";
import { answerAcademy } from "./academy.ts";
import { answerAdmin, sandboxName } from "./admin.ts";
import { type Answer, json, type Question } from "./answer.ts";
import { answerCopernica } from "./copernica-api.ts";
import { answerExport } from "./exports.ts";
import { type Faults, openFaults, type Spoiled, type System } from "./faults.ts";
import { describe, nextHappening } from "./life.ts";
import { answerMagazine } from "./magazine.ts";
import { answerOrganiser } from "./organiser.ts";
import { answerWordPress } from "./wordpress-api.ts";
import { openWorld, type World } from "./world.ts";

/** What sources.yaml says. */
const sandboxPort = 4640;

const host = "127.0.0.1";
const maxBodyBytes = 65_536;

export interface SandboxOptions {
  /** The folder that keeps its world (sandbox.json): started again there, it is the same world. */
  home: string;
  /** Default 4640; 0 takes a free one. */
  port?: number | undefined;
  now?: (() => Date) | undefined;
  /** Something happens every few seconds. */
  alive?: boolean | undefined;
  /** How often, on average of a steady beat; default 4 s. */
  beatMs?: number | undefined;
  /** Now and then a request is refused (503, 429 with a Retry-After of one second); asked again, it succeeds. */
  faults?: boolean | undefined;
  /** A line for everything that happens by itself. */
  log?: ((line: string) => void) | undefined;
}

export interface Sandbox {
  url: string;
  world: World;
  faults: Faults;
  /** Answers nothing any more and lets go of the port. */
  close(): Promise<void>;
}

/** Throws the system's error (`code: "EADDRINUSE"`) when the port is taken; `joinOrOpenSandbox` deals with that. */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  const now = options.now ?? (() => new Date());
  const faults = openFaults(options.faults ?? false);
  let world: World | undefined;
  const server = createServer((request, response) => {
    void respond(request, response, world, faults);
  });
  // The port first: whoever holds it owns the world's file.
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? sandboxPort, host, resolve);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      clearInterval(beat);
      server.close(() => {
        resolve();
      });
      server.closeAllConnections();
    });
  let beat: NodeJS.Timeout | undefined;
  try {
    world = openWorld(options.home, now);
  } catch (error) {
    await close();
    throw error;
  }
  if (options.alive === true) beat = setInterval(liveOn, options.beatMs ?? 4000, world, options.log);
  const { port } = server.address() as AddressInfo;
  return { url: `http://${host}:${port}`, world, faults, close };
}

/**
 * The sandbox that another process has opened for the same folder, or else a new one: a command that runs beside the
 * one that keeps the sandbox alive shares it. Closing a joined one leaves it to that process. Throws, with what to do,
 * when something else holds the port: to join the sandbox of another folder would mix two worlds in one database.
 */
export async function joinOrOpenSandbox(
  options: SandboxOptions,
): Promise<{ url: string; joined: boolean; close(): Promise<void> }> {
  const url = `http://${host}:${options.port ?? sandboxPort}`;
  for (let attempt = 1; ; attempt++) {
    try {
      const sandbox = await openSandbox(options);
      return { url: sandbox.url, joined: false, close: () => sandbox.close() };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      const found = await findSandbox(url);
      if (found?.home === resolvePath(options.home))
        return { url, joined: true, ...inheriting(options, url) };
      if (found !== undefined) throw new Error(`${url} is the sandbox of ${found.home}: stop that one first`);
      // Either it has just been closed, or it is no sandbox.
      if (attempt === 2) throw new Error(`${url} is in use by another program: the sandbox needs that port`);
    }
  }
}

/** How often a joined sandbox is looked for, in milliseconds. */
const LOOK_MS = 500;

/**
 * A sandbox that was joined ends with the command that opened it: whoever goes on then opens it again, with the same world, or
 * its sources would be out of reach for ever.
 */
function inheriting(options: SandboxOptions, url: string): { close(): Promise<void> } {
  let over = false;
  let own: Promise<{ close(): Promise<void> } | undefined> = Promise.resolve(undefined);
  const look = setInterval(() => {
    own = own.then(async (opened) => {
      if (over || opened !== undefined || (await findSandbox(url)) !== undefined) return opened;
      // Another command may be quicker: then that one is joined in its turn.
      return openSandbox(options).catch(() => undefined);
    });
  }, LOOK_MS);
  look.unref();
  return {
    async close() {
      over = true;
      clearInterval(look);
      await (await own)?.close();
    },
  };
}

/** The sandbox that listens at a URL already; undefined where nothing or something else does. */
export async function findSandbox(url: string): Promise<{ anchor: Date; home: string } | undefined> {
  try {
    const response = await fetch(`${url}/sandbox`, { signal: AbortSignal.timeout(2000) });
    const { name, anchor = "", home = "" } = (await response.json()) as Record<string, string | undefined>;
    return name === sandboxName ? { anchor: new Date(anchor), home } : undefined;
  } catch {
    return undefined;
  }
}

function liveOn(world: World, log: SandboxOptions["log"]): void {
  const happening = nextHappening(world);
  world.happen(happening);
  log?.(describe(happening));
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  world: World | undefined,
  faults: Faults,
): Promise<void> {
  try {
    const url = new URL(request.url ?? "/", `http://${request.headers.host ?? host}`);
    const question = {
      method: request.method ?? "GET",
      query: url.searchParams,
      headers: {
        authorization: request.headers.authorization,
        "if-none-match": request.headers["if-none-match"],
      },
      body: await bodyOf(request),
    };
    const [, first = "", ...rest] = url.pathname.replace(/\/+$/, "").split("/");
    const asked: Question = { ...question, path: rest.join("/"), base: `${url.origin}/${first}` };
    send(
      response,
      world === undefined ? json({ error: "starting" }, 503) : answerOf(world, faults, first, asked),
    );
  } catch (error) {
    send(response, json({ error: error instanceof Error ? error.message : "refused" }, 400));
  }
}

function answerOf(world: World, faults: Faults, first: string, question: Question): Spoiled {
  const key = `${question.method} ${question.path}?${question.query.toString()} ${question.headers["authorization"] ?? question.body}`;
  const spoiled = (system: System, answer: Answer) => faults.spoil(system, key, answer);
  switch (first) {
    case "copernica":
      return spoiled("copernica", answerCopernica(world, question));
    case "blog":
      return spoiled("blog", answerWordPress(world, question));
    case "magazine":
      return spoiled("magazine", answerMagazine(world, question));
    case "academy": {
      const answer = answerAcademy(world, question);
      // Its keys and what it revoked are on another server, as it were: half of those would be another academy.
      return question.path === "badges.json" ? spoiled("certificates", answer) : answer;
    }
    case "organiser":
      return spoiled("fairs", answerOrganiser(world, question));
    case "exports": {
      const system = (["partners", "accounts"] as const).find((each) => question.path.startsWith(`${each}.`));
      const answer = answerExport(world, question);
      return system === undefined ? answer : spoiled(system, answer);
    }
    case "sandbox":
      return answerAdmin(world, faults, question);
    default:
      return json({ error: "try /sandbox" }, 404);
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new Error("the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, { status, headers, body, cut }: Spoiled): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { ...headers, "content-length": bytes.length });
  if (cut !== true) response.end(status === 304 ? undefined : bytes);
  else response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}
