// The sandbox's own side door, for people and tests: make something happen, break a system, look up ids (README.md).
import { type Answer, json, type Question } from "./answer.ts";
import { type Faults, modes, type System, systems } from "./faults.ts";
import type { Happening } from "./happenings.ts";
import { accounts, partners } from "./partners.ts";
import type { World } from "./world.ts";

/** `GET /sandbox` begins with this name: how a process learns that the port is taken by a sandbox, and can join it. */
export const sandboxName = "standings-sandbox";

type Fields = Record<string, unknown>;

/** Refused with its message and status 400. */
class Refusal extends Error {}

export function answerAdmin(world: World, faults: Faults, question: Question): Answer {
  const { method, path, query } = question;
  if (method === "GET") {
    const list = listOf(world, faults, path, query);
    return list === undefined ? json({ error: `there is no list ${path}` }, 404) : json(list);
  }
  try {
    return change(world, faults, method, path, fieldsIn(question.body));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return json({ error: message }, error instanceof Refusal ? 400 : 404);
  }
}

function listOf(world: World, faults: Faults, path: string, query: URLSearchParams): unknown {
  const mine = (partner: string) => [null, partner].includes(query.get("partner"));
  const slugOf = (key: "crm" | "domain" | "exhibitor", value: string) =>
    partners.find((each) => each[key] === value)?.slug ?? "";
  switch (path) {
    case "":
      return {
        name: sandboxName,
        anchor: world.anchor.toISOString(),
        home: world.home,
        happened: world.happened(),
        partners: partners.length,
        accounts: accounts.length,
        mailings: world.mailings.length,
        articles: world.articles.length,
        features: world.features.length,
        clientAccounts: world.clientAccounts.length,
        certificates: world.certificates.length,
        fairs: world.fairVisits.length,
        faults: faults.asked(),
      };
    case "partners":
      return partners.map(({ slug, name, crm, domain, exhibitor }) => ({
        slug,
        name,
        crm,
        domain,
        exhibitor,
      }));
    case "articles":
      return world.articles.filter((each) => mine(each.category));
    case "features":
      return world.features.filter((each) => mine(each.partner ?? ""));
    case "accounts":
      return world.clientAccounts
        .map((each) => ({ ...each, partner: slugOf("crm", each.crm) }))
        .filter((each) => mine(each.partner));
    case "certificates":
      return world.certificates
        .map((each) => ({ ...each, partner: slugOf("domain", each.employer) }))
        .filter((each) => mine(each.partner));
    case "fairs":
      return world.fairVisits
        .map((each) => ({ ...each, partner: slugOf("exhibitor", each.exhibitor) }))
        .filter((each) => mine(each.partner));
    case "mailings":
      return world.mailings.filter((each) => [null, each.account].includes(query.get("account")));
    case "tokens":
      return accounts
        .filter((each) => mine(each.partner))
        .map(({ key, name, partner, use }) => ({ key, name, partner, use }));
    case "faults":
      return faults.asked();
    default:
      return undefined;
  }
}

function change(world: World, faults: Faults, method: string, path: string, fields: Fields): Answer {
  if (method === "POST" && path === "faults") {
    faults.set(choiceIn<System>(fields, "source", systems), {
      mode: choiceIn(fields, "mode", modes),
      retryAfter: fields["retryAfter"] === undefined ? undefined : wholeIn(fields, "retryAfter"),
      times: fields["times"] === undefined ? undefined : wholeIn(fields, "times"),
    });
    return json(faults.asked());
  }
  const happening = happeningOf(world, method, path, fields);
  if (happening === undefined) return json({ error: `there is no ${method} ${path}` }, 404);
  return json(world.happen(happening), method === "POST" && !path.includes("/") ? 201 : 200);
}

function happeningOf(world: World, method: string, path: string, fields: Fields): Happening | undefined {
  const [list = "", id = "", verb = ""] = path.split("/");
  switch (`${method} ${[list, ...(id === "" ? [] : [":id"]), ...(verb === "" ? [] : [verb])].join("/")}`) {
    case "POST articles":
      return { type: "article", partner: textIn(fields, "partner") };
    case "POST articles/:id/trash":
      return { type: "article-trashed", id: Number(id) };
    case "DELETE articles/:id":
      return { type: "article-deleted", id: Number(id) };
    case "POST features":
      return { type: "feature", partner: textIn(fields, "partner") };
    case "POST accounts":
      return { type: "account-opened", partner: textIn(fields, "partner") };
    case "POST accounts/:id/close":
      return { type: "account-closed", key: id };
    case "POST certificates":
      return {
        type: "certificate",
        partner: textIn(fields, "partner"),
        level: choiceIn(fields, "level", ["advanced", "fundamental"] as const),
      };
    case "POST certificates/:id/revoke":
      return { type: "certificate-revoked", id };
    case "POST certificates/:id/expire": {
      const at = fields["at"] === undefined ? world.now() : new Date(textIn(fields, "at"));
      if (Number.isNaN(at.getTime()))
        throw new Refusal(`"at" must be an instant such as 2026-12-01T12:00:00Z`);
      const passedOn = world.certificates.find((each) => each.id === id)?.passedOn ?? "";
      // What ends before it begins is no certificate: a reader would rightly refuse it.
      if (at.toISOString() < passedOn)
        throw new Refusal(`"at" must not be before ${passedOn}, when it was passed`);
      return { type: "certificate-expires", id, expiresAt: at.toISOString() };
    }
    case "POST mailings": {
      const [account, destinations] = [textIn(fields, "account"), wholeIn(fields, "destinations")];
      const product =
        fields["product"] === undefined
          ? "publisher"
          : choiceIn(fields, "product", ["publisher", "ms"] as const);
      return { type: "mailing", account, destinations, product };
    }
    case "POST fairs":
      return { type: "fair", partner: textIn(fields, "partner") };
    default:
      return undefined;
  }
}

function fieldsIn(body: string): Fields {
  if (body.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Refusal("the body must be JSON");
  }
  if (typeof value !== "object" || value === null) throw new Refusal("the body must be a JSON object");
  return value as Fields;
}

function textIn(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string" && value !== "") return value;
  throw new Refusal(`the body must have "${name}", a text`);
}

function wholeIn(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw new Refusal(`the body must have "${name}", a whole number`);
}

function choiceIn<T extends string>(fields: Fields, name: string, choices: readonly T[]): T {
  const choice = choices.find((each) => each === fields[name]);
  if (choice !== undefined) return choice;
  throw new Refusal(`the body must have "${name}", one of ${choices.join(", ")}`);
}
