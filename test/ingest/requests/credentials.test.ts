// One token request, however many workers need the token at once.
import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDatabase } from "../../../db/client.ts";
import { type Asked, json, openServer, type TestServer } from "../../../src/conformance/server.ts";
import { openFetcher } from "../../../src/connectors/client/fetcher.ts";
import type { Credential } from "../../../src/connectors/connector.ts";
import { type Credentials, openCredentials } from "../../../src/ingest/requests/credentials.ts";
import { secretBox } from "../../../src/platform/secrets.ts";
import { openTestDatabase, type TestDatabase } from "../../database.ts";

const key = randomBytes(32).toString("base64");
const { signal } = new AbortController();
const asked = { owner: "crm/main", secret: "s3cret", refused: undefined, signal };

let database: TestDatabase;
let server: TestServer;
let closers: (() => Promise<void>)[];
let ms: number;
const now = () => new Date(Date.UTC(2026, 5, 1) + ms);

beforeEach(async () => {
  ms = 0;
  database = await openTestDatabase();
  closers = [];
  let given = 0;
  server = await openServer(() => json({ token: `token ${++given}`, refresh: `refresh ${given}` }));
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
  await server.close();
  await database.close();
});

/** As another process: connections, memory and client of its own. */
async function openWorker(): Promise<Credentials> {
  const { db, close } = await openDatabase(database.url, { max: 2 });
  closers.push(close);
  return openCredentials({ db, secrets: secretBox(key), now });
}

function openMaker(lifeMs = 3_600_000): (refresh?: string) => Promise<Credential> {
  const fetcher = openFetcher({ allowPrivate: [server.host], userAgent: "standings-test" });
  closers.push(() => fetcher.close());
  return async (refresh) => {
    const body = refresh ?? "from the secret";
    const answer = await fetcher.fetchFor(signal)({ url: server.url, method: "POST", body, expect: "json" });
    const said = JSON.parse(answer.text) as { token: string; refresh: string };
    return { value: said.token, refresh: said.refresh, expiresAt: new Date(now().getTime() + lifeMs) };
  };
}

const bodies = () => server.asked.map(({ body }: Asked) => body);

describe("a credential made from a secret", () => {
  test("is asked for once by two workers, and by any number in one", async () => {
    const workers = [await openWorker(), await openWorker(), await openWorker()];
    const make = openMaker();
    const values = await Promise.all([...workers, ...workers].map((worker) => worker.get(asked, make)));
    expect(new Set(values)).toEqual(new Set(["token 1"]));
    expect(server.asked).toHaveLength(1);
  });

  test("that was refused to both is renewed once: the other takes what it finds", async () => {
    const [first, second] = [await openWorker(), await openWorker()];
    const make = openMaker();
    await first.get(asked, make);
    await second.get(asked, make);
    const refused = { ...asked, refused: "token 1" };
    const values = await Promise.all([first.get(refused, make), second.get(refused, make)]);
    expect(values).toEqual(["token 2", "token 2"]);
    // Later, too: whoever still holds the old one need not ask.
    expect(await first.get(refused, make)).toBe("token 2");
    expect(await (await openWorker()).get(refused, make)).toBe("token 2");
    expect(bodies()).toEqual(["from the secret", "refresh 1"]);
  });

  test("is made anew a minute before it ends, from what the last one said", async () => {
    const worker = await openWorker();
    const make = openMaker(600_000);
    await worker.get(asked, make);
    ms = 539_999;
    expect(await worker.get(asked, make)).toBe("token 1");
    ms = 540_000;
    expect(await worker.get(asked, make)).toBe("token 2");
    expect(await (await openWorker()).get(asked, make)).toBe("token 2");
    ms = 2 * 540_000;
    expect(await (await openWorker()).get(asked, make)).toBe("token 3");
    expect(bodies()).toEqual(["from the secret", "refresh 1", "refresh 2"]);
  });

  test("of another secret is worth nothing, nor what it would be refreshed with", async () => {
    const worker = await openWorker();
    const make = openMaker();
    await worker.get(asked, make);
    expect(await worker.get({ ...asked, secret: "another" }, make)).toBe("token 2");
    expect(bodies()).toEqual(["from the secret", "from the secret"]);
  });

  test("that a dying worker was about to make is made by another once its right has ended", async () => {
    const [dying, living] = [await openWorker(), await openWorker()];
    let die: (error: Error) => void = () => undefined;
    let isMaking: () => void = () => undefined;
    const making = new Promise<void>((resolve) => {
      isMaking = resolve;
    });
    const dead = dying.get(asked, () => {
      isMaking();
      return new Promise((_, reject) => {
        die = reject;
      });
    });
    await making;
    // Its heart no longer beats for the others: their time has gone on.
    ms = 15_000;
    expect(await living.get(asked, openMaker())).toBe("token 1");
    die(new Error("killed"));
    await expect(dead).rejects.toThrow("killed");
    expect(await living.get({ ...asked, refused: "token 0" }, openMaker())).toBe("token 1");
  });

  test("that cannot be made fails for the one who asks, and the next one tries", async () => {
    const [first, second] = [await openWorker(), await openWorker()];
    await expect(first.get(asked, () => Promise.reject(new Error("401")))).rejects.toThrow("401");
    expect(await second.get(asked, openMaker())).toBe("token 1");
  });

  test("is stored sealed, for its own connection", async () => {
    const worker = await openWorker();
    await worker.get(asked, openMaker());
    const rows = await database.db.execute<{ sealed: string }>(sql`select * from derived_credentials`);
    expect(JSON.stringify(rows)).not.toMatch(/token 1|refresh 1|s3cret/);
    const box = secretBox(key);
    expect(() => box.open(rows[0]?.sealed ?? "", "crm/main")).toThrow(/does not open/);
    // Under another key it is as if there were none.
    const other = openCredentials({
      db: database.db,
      secrets: secretBox(randomBytes(32).toString("base64")),
      now,
    });
    expect(await other.get(asked, openMaker())).toBe("token 2");
  });
});
