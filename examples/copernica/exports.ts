// The files other systems put out every night: the CRM's partners and client accounts, the training's certificates, the
// organiser's trade fairs.
import { createHash } from "node:crypto";
import { type Answer, json, type Question, text } from "./answer.ts";
import type { World } from "./world.ts";

/** Tells a reader whether the file is whole. */
const rowCount = "x-total-count";

export function answerExport(world: World, { method, path, headers }: Question): Answer {
  const answer = method === "GET" ? exportOf(world, path) : undefined;
  if (answer === undefined) return json({ error: `there is no export ${path}` }, 404);
  const etag = `"${createHash("sha256").update(answer.body).digest("base64url").slice(0, 22)}"`;
  if (headers["if-none-match"] === etag) return { status: 304, headers: { etag }, body: "" };
  return { ...answer, headers: { ...answer.headers, etag } };
}

function exportOf(world: World, path: string): Answer | undefined {
  switch (path) {
    case "partners.csv":
      return table(
        ["crm_id", "company", "status", "registered_on", "profile", "profile_checked_on"],
        world.registrations.map((row) => [
          row.crm,
          row.company,
          row.status,
          row.registeredOn,
          row.profile,
          row.profileCheckedOn,
        ]),
      );
    case "accounts.csv":
      return table(
        ["account_id", "account", "partner_crm_id", "opened_on", "closed_on", "status"],
        world.clientAccounts.map((row) => [
          row.key,
          row.name,
          row.crm,
          row.openedOn,
          row.closedOn ?? "",
          row.closedOn === undefined ? "active" : "closed",
        ]),
      );
    case "certificates.json": {
      const certificates = world.certificates.map((row) => ({
        id: row.id,
        holder: row.holder,
        level: row.level,
        employer_domain: row.employer,
        passed_on: row.passedOn,
        expires_at: row.expiresAt ?? null,
      }));
      return json({ certificates }, 200, { [rowCount]: String(certificates.length) });
    }
    case "fairs.csv":
      return table(
        ["stand_id", "exhibitor", "fair", "city", "held_on"],
        world.fairVisits.map((row) => [row.id, row.exhibitor, row.fair, row.city, row.heldOn]),
      );
    default:
      return undefined;
  }
}

/** As office programs write it: a byte-order mark, CRLF, quotes where they are needed. */
function table(head: string[], rows: string[][]): Answer {
  const cell = (value: string) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`);
  const answer = text(`\uFEFF${lines.join("")}`, 200, "text/csv");
  return { ...answer, headers: { ...answer.headers, [rowCount]: String(rows.length) } };
}
